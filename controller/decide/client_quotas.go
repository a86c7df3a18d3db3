package decide

import (
	"math"
	"sort"
	"strings"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Parts of a quota's entity.
const (
	userPart   = "user"
	clientPart = "client-id"
	ipPart     = "ip"
)

// quotaKey bounds the values of one limit; whole ones have no fraction.
type quotaKey struct {
	max   float64
	whole bool
	kind  string
}

var clientQuotaKeys = map[string]quotaKey{
	"producer_byte_rate":       {math.MaxInt64, true, "LONG"},
	"consumer_byte_rate":       {math.MaxInt64, true, "LONG"},
	"request_percentage":       {math.Inf(1), false, ""},
	"controller_mutation_rate": {math.Inf(1), false, ""},
}

var ipQuotaKeys = map[string]quotaKey{"connection_creation_rate": {math.MaxInt32, true, "INT"}}

// AlterClientQuotas changes the limits of clients (KIP-546). Entities stand or
// fall each by itself. unknown are the addresses among them that are neither
// numeric nor resolvable, which only somebody with a network can tell.
func AlterClientQuotas(e *Env, req *kmsg.AlterClientQuotasRequest, unknown map[string]bool) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.AlterClientQuotasResponse)
	d := Decision{Atomic: true, Reply: resp}
	at := map[string]int{} // entity → index in resp.Entries
	for i := range req.Entries {
		entity := entityOf(req.Entries[i].Entity)
		name := entityText(entity)
		var err *Error
		if _, twice := at[name]; twice || twiceAKey(req.Entries[i].Ops) {
			err = fail(kerr.InvalidRequest, "Ignoring duplicate entity %s", name)
		} else {
			err = e.alterQuotas(&d, entity, req.Entries[i].Ops, unknown)
		}
		if len(d.Records) > MaxRecords {
			return Decision{}, errTooMany()
		}
		out := quotaAnswer(entity, err)
		if j, twice := at[name]; twice {
			resp.Entries[j] = out
			continue
		}
		at[name] = len(resp.Entries)
		resp.Entries = append(resp.Entries, out)
	}
	if req.ValidateOnly {
		d.Records = nil
	}
	return d, nil
}

// entityOf sorts the parts by type; of one type the last counts.
func entityOf(parts []kmsg.AlterClientQuotasRequestEntryEntity) image.QuotaEntity {
	var out image.QuotaEntity
	for _, p := range lastOfEach(parts, func(p *kmsg.AlterClientQuotasRequestEntryEntity) string { return p.Type }) {
		out = append(out, image.QuotaEntityPart{Type: p.Type, Name: p.Name})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Type < out[j].Type })
	return out
}

// entityText names an entity as Kafka's messages do.
func entityText(e image.QuotaEntity) string {
	var parts []string
	for _, p := range e {
		name := "null"
		if p.Name != nil {
			name = *p.Name
		}
		parts = append(parts, p.Type+"="+name)
	}
	return "ClientQuotaEntity(entries={" + strings.Join(parts, ", ") + "})"
}

func twiceAKey(ops []kmsg.AlterClientQuotasRequestEntryOp) bool {
	_, twice := splitTwice(ops, func(o *kmsg.AlterClientQuotasRequestEntryOp) string { return o.Key })
	return len(twice) > 0
}

func quotaAnswer(entity image.QuotaEntity, err *Error) kmsg.AlterClientQuotasResponseEntry {
	out := kmsg.NewAlterClientQuotasResponseEntry()
	out.ErrorCode, out.ErrorMessage = err.code(), err.message()
	for _, p := range entity {
		out.Entity = append(out.Entity, kmsg.AlterClientQuotasResponseEntryEntity{Type: p.Type, Name: p.Name})
	}
	return out
}

// alterQuotas appends the records of one entity if all its changes are good.
func (e *Env) alterQuotas(d *Decision, entity image.QuotaEntity, ops []kmsg.AlterClientQuotasRequestEntryOp, unknown map[string]bool) *Error {
	keys, err := quotaKeysOf(entity, unknown)
	if err != nil {
		return err
	}
	have := e.Image.ClientQuotas.Of(entity)
	var parts []records.EntityData
	for _, p := range entity {
		parts = append(parts, records.EntityData{EntityType: p.Type, EntityName: p.Name})
	}
	var recs []*records.ClientQuotaRecord
	for _, op := range ops {
		old, had := have[op.Key]
		rec := &records.ClientQuotaRecord{Entity: parts, Key: op.Key, Value: op.Value, Remove: op.Remove}
		if op.Remove {
			rec.Value = 0
		} else if err := checkQuota(keys, op.Key, op.Value); err != nil {
			return err
		}
		if op.Remove && had || !op.Remove && (!had || old != op.Value) {
			recs = append(recs, rec)
		}
	}
	for _, r := range recs {
		d.add(r, 0)
	}
	return nil
}

// quotaKeysOf checks an entity and returns the limits that it may have.
func quotaKeysOf(entity image.QuotaEntity, unknown map[string]bool) (map[string]quotaKey, *Error) {
	if len(entity) == 0 {
		return nil, fail(kerr.InvalidRequest, "Invalid empty client quota entity")
	}
	var address *image.QuotaEntityPart
	for i, p := range entity {
		switch p.Type {
		case userPart, clientPart:
		case ipPart:
			address = &entity[i]
		default:
			return nil, fail(kerr.InvalidRequest, "Unhandled client quota entity type: %s", p.Type)
		}
		if p.Name != nil && *p.Name == "" {
			return nil, fail(kerr.InvalidRequest, "Empty %s not supported", p.Type)
		}
	}
	switch {
	case address == nil:
		return clientQuotaKeys, nil
	case len(entity) > 1:
		return nil, fail(kerr.InvalidRequest, "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId")
	case address.Name != nil && unknown[*address.Name]:
		return nil, fail(kerr.InvalidRequest, "%s is not a valid IP or resolvable host.", *address.Name)
	}
	return ipQuotaKeys, nil
}

func checkQuota(keys map[string]quotaKey, key string, value float64) *Error {
	k, known := keys[key]
	switch {
	case !known:
		return fail(kerr.InvalidRequest, "Invalid configuration key %s", key)
	case value <= 0:
		return fail(kerr.InvalidRequest, "Quota %s must be greater than 0", key)
	case value > k.max:
		return fail(kerr.InvalidRequest, "Proposed value for %s is too large for a %s.", key, k.kind)
	case k.whole && math.Mod(value, 1) > 1e-6:
		return fail(kerr.InvalidRequest, "%s cannot be a fractional value.", key)
	}
	return nil
}
