package image

import (
	"github.com/tidwall/btree"

	"github.com/gregorbroker/gregor/controller/records"
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

func (d *Delta) replayACL(r *records.AccessControlEntryRecord) error {
	d.acls.set(string(r.ID[:]), &ACL{
		ID: r.ID, ResourceType: r.ResourceType, ResourceName: r.ResourceName, PatternType: r.PatternType,
		Principal: r.Principal, Host: r.Host, Operation: r.Operation, Permission: r.PermissionType,
	})
	return nil
}

func (d *Delta) removeACL(r *records.RemoveAccessControlEntryRecord) error {
	k := string(r.ID[:])
	if _, ok := d.acls.get(k); !ok {
		return refuse("removal of the unknown access control entry %v", r.ID)
	}
	d.acls.remove(k)
	return nil
}
