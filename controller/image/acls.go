package image

import (
	"github.com/tidwall/btree"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// ACL is one access control entry; the small numbers are Kafka's wire codes.
type ACL struct {
	ID           ids.UUID
	ResourceType int8
	ResourceName string
	PatternType  int8
	Principal    string
	Host         string
	Operation    int8
	Permission   int8
}

// ACLs are all entries. The zero value is empty.
type ACLs struct {
	byID btree.Map[string, *ACL]
}

// Get returns the entry with that id, or nil.
func (a *ACLs) Get(id ids.UUID) *ACL {
	e, _ := a.byID.Get(string(id[:]))
	return e
}

// Each goes through all entries by id until f returns false.
func (a *ACLs) Each(f func(*ACL) bool) {
	a.byID.Scan(func(_ string, e *ACL) bool { return f(e) })
}

// Len is the number of entries.
func (a *ACLs) Len() int { return a.byID.Len() }
