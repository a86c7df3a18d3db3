package image

import (
	"slices"

	"github.com/tidwall/btree"

	"github.com/gregorbroker/gregor/controller/records"
)

// SCRAM mechanisms as on the wire.
const (
	ScramSHA256 int8 = 1
	ScramSHA512 int8 = 2
)

// ScramCredential is a user's credential for one mechanism. It holds secrets:
// never print it.
type ScramCredential struct {
	User       string
	Mechanism  int8
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
	Iterations int32
}

// Scram are all SCRAM credentials. The zero value is empty.
type Scram struct {
	byUser btree.Map[string, *ScramCredential]
}

func scramKey(mechanism int8, user string) string { return string([]byte{byte(mechanism)}) + user }

// Get returns a credential, or nil.
func (s *Scram) Get(mechanism int8, user string) *ScramCredential {
	c, _ := s.byUser.Get(scramKey(mechanism, user))
	return c
}

// Each goes through all credentials by mechanism and user until f returns false.
func (s *Scram) Each(f func(*ScramCredential) bool) {
	s.byUser.Scan(func(_ string, c *ScramCredential) bool { return f(c) })
}

// Len is the number of credentials.
func (s *Scram) Len() int { return s.byUser.Len() }

func (d *Delta) replayScram(r *records.UserScramCredentialRecord) error {
	if r.Mechanism != ScramSHA256 && r.Mechanism != ScramSHA512 {
		return refuse("SCRAM mechanism %d", r.Mechanism)
	}
	d.scram.set(scramKey(r.Mechanism, r.Name), &ScramCredential{
		User: r.Name, Mechanism: r.Mechanism, Iterations: r.Iterations,
		Salt: slices.Clone(r.Salt), StoredKey: slices.Clone(r.StoredKey), ServerKey: slices.Clone(r.ServerKey),
	})
	return nil
}

func (d *Delta) removeScram(r *records.RemoveUserScramCredentialRecord) error {
	k := scramKey(r.Mechanism, r.Name)
	if _, ok := d.scram.get(k); !ok {
		return refuse("removal of the unknown SCRAM credential of %q", r.Name)
	}
	d.scram.remove(k)
	return nil
}
