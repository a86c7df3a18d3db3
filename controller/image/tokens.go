package image

import (
	"github.com/tidwall/btree"

	"github.com/gregorbroker/gregor/controller/records"
)

// Token is a delegation token. The password is not part of it: every node
// derives it from the token's id and the shared secret key.
type Token struct {
	ID         string
	Owner      string // principals as "User:name"
	Requester  string
	Renewers   []string
	IssueTime  int64 // ms since 1970
	MaxTime    int64
	ExpiryTime int64
}

// Tokens are all delegation tokens. The zero value is empty.
type Tokens struct {
	byID btree.Map[string, *Token]
}

// Get returns a token, or nil.
func (t *Tokens) Get(id string) *Token {
	x, _ := t.byID.Get(id)
	return x
}

// Each goes through all tokens by id until f returns false.
func (t *Tokens) Each(f func(*Token) bool) {
	t.byID.Scan(func(_ string, x *Token) bool { return f(x) })
}

// Len is the number of tokens.
func (t *Tokens) Len() int { return t.byID.Len() }

func (d *Delta) replayToken(r *records.DelegationTokenRecord) error {
	d.tokens.set(r.TokenID, &Token{
		ID: r.TokenID, Owner: r.Owner, Requester: r.Requester, Renewers: r.Renewers,
		IssueTime: r.IssueTimestamp, MaxTime: r.MaxTimestamp, ExpiryTime: r.ExpirationTimestamp,
	})
	return nil
}

func (d *Delta) removeToken(r *records.RemoveDelegationTokenRecord) error {
	if _, ok := d.tokens.get(r.TokenID); !ok {
		return refuse("removal of an unknown delegation token")
	}
	d.tokens.remove(r.TokenID)
	return nil
}
