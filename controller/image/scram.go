package image

import "github.com/tidwall/btree"

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
