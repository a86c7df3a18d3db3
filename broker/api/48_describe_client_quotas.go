package api

import (
	"maps"
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Ways a component of DescribeClientQuotas matches.
const (
	matchExact   = 0 // that name
	matchDefault = 1 // the default entity
	matchAny     = 2 // any name, the default included
)

// Types of a quota's entity.
var quotaTypes = []string{"user", "client-id", "ip"}

// DescribeClientQuotas, versions 0 and 1: the limits of the entities that match
// a filter (KIP-546). v1 flexible.
func describeClientQuotasHandler(cluster *Cluster) Handle {
	if cluster == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.DescribeClientQuotasRequest) {
		resp := r.ResponseKind().(*kmsg.DescribeClientQuotasResponse)
		if e := checkQuotaFilter(r.Components); e.code != nil {
			resp.ErrorCode, resp.ErrorMessage = e.wire()
			c.Reply(resp)
			return
		}
		resp.ErrorMessage, resp.Entries = new(string), []kmsg.DescribeClientQuotasResponseEntry{}
		cluster.Image().ClientQuotas.Each(func(q *image.Quota) bool {
			if quotaMatches(q.Entity, r) {
				resp.Entries = append(resp.Entries, quotaEntry(q))
			}
			return true
		})
		c.Reply(resp)
	})
}

func checkQuotaFilter(components []kmsg.DescribeClientQuotasRequestComponent) refusal {
	seen := map[string]bool{}
	for _, c := range components {
		switch {
		case c.EntityType == "":
			return badRequest("Invalid empty entity type.")
		case seen[c.EntityType]:
			return badRequest("Entity type %s cannot appear more than once in the filter.", c.EntityType)
		case !slices.Contains(quotaTypes, c.EntityType):
			return refusal{kerr.UnsupportedVersion, "Unsupported entity type " + c.EntityType}
		}
		seen[c.EntityType] = true
		switch int8(c.MatchType) {
		case matchExact:
			if c.Match == nil {
				return badRequest("Request specified MATCH_TYPE_EXACT, but set match string to null.")
			}
		case matchDefault, matchAny:
			if c.Match != nil {
				name := map[int8]string{matchDefault: "MATCH_TYPE_DEFAULT", matchAny: "MATCH_TYPE_SPECIFIED"}[int8(c.MatchType)]
				return badRequest("Request specified %s, but also specified a match string.", name)
			}
		default:
			return badRequest("Unknown match type %d", c.MatchType)
		}
	}
	if seen["ip"] && len(seen) > 1 {
		return badRequest("Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.")
	}
	return refusal{}
}

// quotaMatches: every component must match a part of the entity, and with
// Strict the entity may have no other parts.
func quotaMatches(e image.QuotaEntity, r *kmsg.DescribeClientQuotasRequest) bool {
	if r.Strict && len(e) != len(r.Components) {
		return false
	}
	for _, c := range r.Components {
		i := slices.IndexFunc(e, func(p image.QuotaEntityPart) bool { return p.Type == c.EntityType })
		switch {
		case i < 0:
			return false
		case int8(c.MatchType) == matchExact && (e[i].Name == nil || *e[i].Name != *c.Match):
			return false
		case int8(c.MatchType) == matchDefault && e[i].Name != nil:
			return false
		}
	}
	return true
}

func quotaEntry(q *image.Quota) kmsg.DescribeClientQuotasResponseEntry {
	out := kmsg.NewDescribeClientQuotasResponseEntry()
	for _, p := range q.Entity {
		out.Entity = append(out.Entity, kmsg.DescribeClientQuotasResponseEntryEntity{Type: p.Type, Name: p.Name})
	}
	for _, key := range slices.Sorted(maps.Keys(q.Values)) {
		out.Values = append(out.Values, kmsg.DescribeClientQuotasResponseEntryValue{Key: key, Value: q.Values[key]})
	}
	return out
}
