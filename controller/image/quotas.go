package image

import (
	"maps"
	"sort"

	"github.com/tidwall/btree"

	"github.com/gregorbroker/gregor/controller/records"
)

// QuotaEntityPart is one dimension of a quota's entity: type is "user",
// "client-id" or "ip"; Name nil is the default entity of that type.
type QuotaEntityPart struct {
	Type string
	Name *string
}

// QuotaEntity is what a quota applies to; parts sorted by type, types unique.
type QuotaEntity []QuotaEntityPart

// Quota is an entity and its limits.
type Quota struct {
	Entity QuotaEntity
	Values map[string]float64 // never empty in an image
}

// ClientQuotas are all client quotas. The zero value is empty.
type ClientQuotas struct {
	byEntity btree.Map[string, *Quota]
}

// Of returns the limits of exactly that entity; nil when it has none.
func (c *ClientQuotas) Of(e QuotaEntity) map[string]float64 {
	if q, ok := c.byEntity.Get(e.key()); ok {
		return q.Values
	}
	return nil
}

// Each goes through all quotas until f returns false.
func (c *ClientQuotas) Each(f func(*Quota) bool) {
	c.byEntity.Scan(func(_ string, q *Quota) bool { return f(q) })
}

// Len is the number of entities with at least one limit.
func (c *ClientQuotas) Len() int { return c.byEntity.Len() }

// key is injective: the length of each text stands before it, and 0 stands for
// the default entity.
func (e QuotaEntity) key() string {
	var b []byte
	text := func(s string) {
		b = append(b, byte(len(s)>>16)|1<<7, byte(len(s)>>8), byte(len(s)))
		b = append(b, s...)
	}
	for _, p := range e {
		text(p.Type)
		if p.Name == nil {
			b = append(b, 0)
		} else {
			text(*p.Name)
		}
	}
	return string(b)
}

// replayQuota sets or removes one limit of an entity.
func (d *Delta) replayQuota(r *records.ClientQuotaRecord) error {
	var entity QuotaEntity
	for _, p := range r.Entity {
		entity = append(entity, QuotaEntityPart{p.EntityType, p.EntityName})
	}
	sort.Slice(entity, func(i, j int) bool { return entity[i].Type < entity[j].Type })
	for i := 1; i < len(entity); i++ {
		if entity[i].Type == entity[i-1].Type {
			return refuse("quota entity with %q twice", entity[i].Type)
		}
	}
	next := &Quota{Entity: entity, Values: map[string]float64{}}
	if q, ok := d.quotas.get(entity.key()); ok && !(d.snapshot && !d.quotas.touched(entity.key())) {
		next.Values = maps.Clone(q.Values)
	}
	if r.Remove {
		delete(next.Values, r.Key)
	} else {
		next.Values[r.Key] = r.Value
	}
	if len(next.Values) == 0 {
		d.quotas.remove(entity.key())
	} else {
		d.quotas.set(entity.key(), next)
	}
	return nil
}
