package twin

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// quotaOf asks for the quotas of entities; components are pairs of type and
// name, where "*" is any name and "-" the default entity.
func quotaOf(strict bool, components ...string) *kmsg.DescribeClientQuotasRequest {
	req := kmsg.NewPtrDescribeClientQuotasRequest()
	req.Strict = strict
	for i := 0; i < len(components); i += 2 {
		c := kmsg.NewDescribeClientQuotasRequestComponent()
		c.EntityType = components[i]
		switch name := components[i+1]; name {
		case "*":
			c.MatchType = 2
		case "-":
			c.MatchType = 1
		default:
			c.Match = &name
		}
		req.Components = append(req.Components, c)
	}
	return req
}

// quota sets one value of an entity, as quotaOf names it.
func quota(key string, value float64, entity ...string) *kmsg.AlterClientQuotasRequest {
	req := kmsg.NewPtrAlterClientQuotasRequest()
	e := kmsg.NewAlterClientQuotasRequestEntry()
	for i := 0; i < len(entity); i += 2 {
		x := kmsg.AlterClientQuotasRequestEntryEntity{Type: entity[i]}
		if entity[i+1] != "-" {
			x.Name = &entity[i+1]
		}
		e.Entity = append(e.Entity, x)
	}
	e.Ops = []kmsg.AlterClientQuotasRequestEntryOp{{Key: key, Value: value}}
	req.Entries = []kmsg.AlterClientQuotasRequestEntry{e}
	return req
}

func removing(req *kmsg.AlterClientQuotasRequest) *kmsg.AlterClientQuotasRequest {
	req.Entries[0].Ops[0].Remove = true
	return req
}

// described alters, shows what the entity has, takes it back and shows again.
func described(req func(r *Run) *kmsg.AlterClientQuotasRequest, show func(r *Run) *kmsg.DescribeClientQuotasRequest) func(*Run) {
	return func(r *Run) {
		r.Send(req(r))
		r.showQuotas(show(r), 1)
		r.Send(removing(req(r)))
		r.showQuotas(show(r), 0)
	}
}

// showQuotas writes down what matches once that is so many entities: Kafka
// answers alterations before its brokers know of them.
func (r *Run) showQuotas(req *kmsg.DescribeClientQuotasRequest, entities int) {
	req.Version = 1
	var resp *kmsg.DescribeClientQuotasResponse
	r.Eventually("quotas", func() bool {
		resp = r.Do(req).(*kmsg.DescribeClientQuotasResponse)
		return len(resp.Entries) == entities
	})
	for _, l := range r.render(resp) {
		r.out = append(r.out, "shown "+l)
	}
}

func quotaScripts() []Script {
	alter := func(name string, run func(*Run)) Script { return Script{Key: 49, Name: name, Run: run} }
	ask := func(name string, run func(*Run)) Script { return Script{Key: 48, Name: name, Run: run} }
	bad := func(key string, value float64, entity ...string) func(*Run) {
		return func(r *Run) { r.Send(quota(key, value, entity...)) }
	}
	return []Script{
		alter("a user's", described(func(r *Run) *kmsg.AlterClientQuotasRequest {
			return quota("producer_byte_rate", 1024, "user", r.Name("u"))
		}, func(r *Run) *kmsg.DescribeClientQuotasRequest { return quotaOf(true, "user", r.Name("u")) })),
		alter("a client's of a user", described(func(r *Run) *kmsg.AlterClientQuotasRequest {
			return quota("consumer_byte_rate", 2048, "user", r.Name("u"), "client-id", r.Name("c"))
		}, func(r *Run) *kmsg.DescribeClientQuotasRequest {
			return quotaOf(true, "user", r.Name("u"), "client-id", r.Name("c"))
		})),
		alter("an address's", described(func(*Run) *kmsg.AlterClientQuotasRequest {
			return quota("connection_creation_rate", 5, "ip", "10.9.8.7")
		}, func(*Run) *kmsg.DescribeClientQuotasRequest { return quotaOf(true, "ip", "10.9.8.7") })),
		alter("requests of the default client", described(func(*Run) *kmsg.AlterClientQuotasRequest {
			return quota("request_percentage", 900, "client-id", "-")
		}, func(*Run) *kmsg.DescribeClientQuotasRequest { return quotaOf(true, "client-id", "-") })),
		alter("only validated", func(r *Run) {
			req := quota("producer_byte_rate", 1024, "user", r.Name("u"))
			req.ValidateOnly = true
			r.Send(req)
			r.showQuotas(quotaOf(true, "user", r.Name("u")), 0)
		}),
		alter("unknown key", bad("no_such_rate", 1, "user", "u")),
		alter("unknown entity", bad("producer_byte_rate", 1, "planet", "u")),
		alter("key of another entity", bad("producer_byte_rate", 1, "ip", "10.0.0.1")),
		alter("key of addresses for a user", bad("connection_creation_rate", 1, "user", "u")),
		alter("address and user", bad("connection_creation_rate", 1, "ip", "10.0.0.1", "user", "u")),
		alter("address that is none", bad("connection_creation_rate", 1, "ip", "no.such.host.invalid")),
		alter("entity twice", func(r *Run) {
			r.Send(quota("producer_byte_rate", 1, "user", "u", "user", "v"))
			r.Send(removing(quota("producer_byte_rate", 1, "user", "v")))
		}),
		alter("a fraction of a byte", bad("producer_byte_rate", 1024.5, "user", "u")),
		alter("nobody", bad("producer_byte_rate", 1)),
		alter("empty name", bad("producer_byte_rate", 1, "user", "")),
		alter("zero", bad("producer_byte_rate", 0, "user", "u")),
		alter("negative", bad("producer_byte_rate", -5, "user", "u")),
		alter("not a whole number of bytes", bad("controller_mutation_rate", 1.5, "ip", "10.0.0.1")),
		alter("not a whole number of connections", bad("connection_creation_rate", 1.5, "ip", "10.0.0.1")),
		alter("same key twice", func(r *Run) {
			req := quota("producer_byte_rate", 1024, "user", r.Name("u"))
			req.Entries[0].Ops = append(req.Entries[0].Ops, kmsg.AlterClientQuotasRequestEntryOp{Key: "producer_byte_rate", Value: 5})
			r.Send(req)
			r.Send(removing(quota("producer_byte_rate", 0, "user", r.Name("u"))))
		}),
		alter("same entity twice", func(r *Run) {
			req := quota("producer_byte_rate", 1024, "user", r.Name("u"))
			req.Entries = append(req.Entries, req.Entries[0])
			r.Send(req)
			r.Send(removing(quota("producer_byte_rate", 0, "user", r.Name("u"))))
		}),
		alter("removed though not there", func(r *Run) { r.Send(removing(quota("producer_byte_rate", 0, "user", r.Name("u")))) }),
		alter("no changes", func(r *Run) {
			req := quota("producer_byte_rate", 0, "user", r.Name("u"))
			req.Entries[0].Ops = nil
			r.Send(req)
		}),
		alter("nothing", func(r *Run) { r.Send(kmsg.NewPtrAlterClientQuotasRequest()) }),
		{Key: 49, Name: "on the controller listener", Controller: true, Run: func(r *Run) { r.Send(removing(quota("producer_byte_rate", 0, "user", r.Name("u")))) }},

		ask("user that has none", func(r *Run) { r.Send(quotaOf(true, "user", r.Name("u"))) }),
		ask("unknown entity", func(r *Run) { r.Send(quotaOf(true, "planet", "u")) }),
		ask("empty entity", func(r *Run) { r.Send(quotaOf(true, "", "u")) }),
		ask("address and user", func(r *Run) { r.Send(quotaOf(true, "ip", "10.0.0.1", "user", "u")) }),
		ask("entity twice", func(r *Run) { r.Send(quotaOf(true, "user", "u", "user", "v")) }),
		ask("match that is none", func(r *Run) {
			req := quotaOf(true, "user", "u")
			req.Components[0].MatchType = 7
			r.Send(req)
		}),
		ask("exact match without a name", func(r *Run) {
			req := quotaOf(true, "user", "u")
			req.Components[0].Match = nil
			r.Send(req)
		}),
		ask("matches", func(r *Run) {
			u, c := r.Name("u"), r.Name("c")
			all := []*kmsg.AlterClientQuotasRequest{quota("producer_byte_rate", 1, "user", u), quota("consumer_byte_rate", 2, "user", u, "client-id", c),
				quota("request_percentage", 3, "user", u, "client-id", "-"), quota("request_percentage", 4, "client-id", c), quota("request_percentage", 4, "user", "-")}
			for _, req := range all {
				req.Version = 1
				r.Do(req)
			}
			r.awaitQuotas(len(all))
			r.Send(quotaOf(true, "user", u))
			r.Send(quotaOf(true, "user", u, "client-id", "-"))
			r.Send(quotaOf(true, "client-id", c))
			r.Send(quotaOf(true, "user", "-"))
			r.countQuotas(quotaOf(false, "user", u))
			r.countQuotas(quotaOf(true, "user", u, "client-id", "*"))
			r.countQuotas(quotaOf(false, "user", "*"))
			r.countQuotas(quotaOf(false, "client-id", c))
			r.countQuotas(quotaOf(false))
			for _, req := range all {
				r.Do(removing(req))
			}
			r.awaitQuotas(0)
		}),
	}
}

// awaitQuotas waits until the broker knows that many entities.
func (r *Run) awaitQuotas(n int) {
	r.Eventually("quotas", func() bool {
		req := quotaOf(false)
		req.Version = 1
		return len(r.Do(req).(*kmsg.DescribeClientQuotasResponse).Entries) == n
	})
}

// countQuotas writes down how many entities match; their order is Kafka's hash order.
func (r *Run) countQuotas(req *kmsg.DescribeClientQuotasRequest) {
	req.Version = r.version
	r.sent++
	r.out = append(r.out, fmt.Sprintf("%d matches %d", r.sent, len(r.Do(req).(*kmsg.DescribeClientQuotasResponse).Entries)))
}

const scram256, scram512 = 1, 2

func scramUsers(names ...string) *kmsg.DescribeUserSCRAMCredentialsRequest {
	req := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	for _, n := range names {
		req.Users = append(req.Users, kmsg.DescribeUserSCRAMCredentialsRequestUser{Name: n})
	}
	return req
}

func scramUpsert(name string, mechanism int8, iterations int32) *kmsg.AlterUserSCRAMCredentialsRequest {
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	req.Upsertions = []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{{Name: name, Mechanism: mechanism, Iterations: iterations,
		Salt: []byte("salt of the test"), SaltedPassword: []byte("0123456789abcdef0123456789abcdef")}}
	return req
}

func scramDelete(name string, mechanism int8) *kmsg.AlterUserSCRAMCredentialsRequest {
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	req.Deletions = []kmsg.AlterUserSCRAMCredentialsRequestDeletion{{Name: name, Mechanism: mechanism}}
	return req
}

func scramScripts() []Script {
	alter := func(name string, run func(*Run)) Script { return Script{Key: 51, Name: name, Run: run} }
	send := func(req func(r *Run) *kmsg.AlterUserSCRAMCredentialsRequest) func(*Run) {
		return func(r *Run) { r.Send(req(r)) }
	}
	return []Script{
		alter("set, shown, deleted", func(r *Run) {
			u := r.Name("u")
			r.Send(scramUpsert(u, scram256, 4096))
			r.Send(scramUpsert(u, scram512, 8192))
			r.showScram(u, 4096+8192)
			r.Send(scramUpsert(u, scram256, 5000))
			r.showScram(u, 5000+8192)
			r.Send(scramDelete(u, scram256))
			r.showScram(u, 8192)
			r.Send(scramDelete(u, scram512))
			r.showScram(u, 0)
		}),
		alter("too few iterations", send(func(r *Run) *kmsg.AlterUserSCRAMCredentialsRequest { return scramUpsert(r.Name("u"), scram256, 4095) })),
		alter("too many iterations", send(func(r *Run) *kmsg.AlterUserSCRAMCredentialsRequest {
			return scramUpsert(r.Name("u"), scram256, 16385)
		})),
		alter("mechanism that is none", send(func(r *Run) *kmsg.AlterUserSCRAMCredentialsRequest { return scramUpsert(r.Name("u"), 9, 4096) })),
		alter("unknown mechanism", send(func(r *Run) *kmsg.AlterUserSCRAMCredentialsRequest { return scramUpsert(r.Name("u"), 0, 4096) })),
		alter("nobody", send(func(*Run) *kmsg.AlterUserSCRAMCredentialsRequest { return scramUpsert("", scram256, 4096) })),
		alter("deleted though not there", send(func(r *Run) *kmsg.AlterUserSCRAMCredentialsRequest { return scramDelete(r.Name("u"), scram256) })),
		alter("deletion of an unknown mechanism", send(func(r *Run) *kmsg.AlterUserSCRAMCredentialsRequest { return scramDelete(r.Name("u"), 0) })),
		alter("deletion of nobody", send(func(*Run) *kmsg.AlterUserSCRAMCredentialsRequest { return scramDelete("", scram256) })),
		alter("set and deleted at once", send(func(r *Run) *kmsg.AlterUserSCRAMCredentialsRequest {
			req := scramUpsert(r.Name("u"), scram256, 4096)
			req.Deletions = scramDelete(r.Name("u"), scram256).Deletions
			return req
		})),
		alter("set twice", send(func(r *Run) *kmsg.AlterUserSCRAMCredentialsRequest {
			req := scramUpsert(r.Name("u"), scram256, 4096)
			req.Upsertions = append(req.Upsertions, req.Upsertions[0])
			return req
		})),
		alter("no salt", func(r *Run) {
			req := scramUpsert(r.Name("u"), scram256, 4096)
			req.Upsertions[0].Salt = []byte{}
			r.Send(req)
			r.Send(scramDelete(r.Name("u"), scram256))
		}),
		alter("one good, one bad", func(r *Run) {
			req := scramUpsert(r.Name("u"), scram256, 4096)
			req.Upsertions = append(req.Upsertions, scramUpsert(r.Name("v"), scram256, 1).Upsertions...)
			r.Send(req)
			r.Send(scramDelete(r.Name("u"), scram256))
		}),
		alter("nothing", func(r *Run) { r.Send(kmsg.NewPtrAlterUserSCRAMCredentialsRequest()) }),
		{Key: 51, Name: "on the controller listener", Controller: true, Run: func(r *Run) { r.Send(scramDelete(r.Name("u"), scram256)) }},
		{Key: 50, Name: "nobody known", Run: func(r *Run) { r.Send(scramUsers(r.Name("u"))) }},
		{Key: 50, Name: "same user twice", Run: func(r *Run) { r.Send(scramUsers(r.Name("u"), r.Name("u"))) }},
		{Key: 50, Name: "everybody", Run: func(r *Run) {
			r.Eventually("nobody", func() bool {
				return len(r.Do(scramUsers()).(*kmsg.DescribeUserSCRAMCredentialsResponse).Results) == 0
			})
			r.Send(scramUsers())
		}},
		{Key: 50, Name: "empty name", Run: func(r *Run) { r.Send(scramUsers("")) }},
	}
}

// showScram writes down what a user has once the broker that is asked knows it:
// once the iterations of all mechanisms come to sum. Kafka's order is by chance.
func (r *Run) showScram(user string, sum int32) {
	var resp *kmsg.DescribeUserSCRAMCredentialsResponse
	r.Eventually("credentials", func() bool {
		resp = r.Do(scramUsers(user)).(*kmsg.DescribeUserSCRAMCredentialsResponse)
		n := int32(0)
		for _, i := range resp.Results[0].CredentialInfos {
			n += i.Iterations
		}
		return n == sum
	})
	type info = kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo
	slices.SortFunc(resp.Results[0].CredentialInfos, func(a, b info) int { return cmp.Compare(a.Mechanism, b.Mechanism) })
	for _, l := range r.render(resp) {
		r.out = append(r.out, "shown "+l)
	}
}

// unsecuredScripts ask for what needs an authorizer or delegation tokens, which
// a plain node has not.
func unsecuredScripts() []Script {
	name := kmsg.StringPtr("t")
	var out []Script
	for _, where := range []bool{false, true} {
		add := func(key int16, name string, req func() kmsg.Request) {
			out = append(out, Script{Key: key, Name: name, Controller: where, Run: func(r *Run) { r.Send(req()) }})
		}
		add(29, "all lists", func() kmsg.Request {
			req := kmsg.NewPtrDescribeACLsRequest()
			req.ResourceType, req.ResourcePatternType, req.Operation, req.PermissionType = 1, 1, 1, 1
			return req
		})
		add(30, "one entry", func() kmsg.Request {
			req := kmsg.NewPtrCreateACLsRequest()
			c := kmsg.NewCreateACLsRequestCreation()
			c.ResourceType, c.ResourceName, c.ResourcePatternType, c.Principal, c.Host, c.Operation, c.PermissionType = 2, "t", 3, "User:a", "*", 3, 3
			req.Creations = []kmsg.CreateACLsRequestCreation{c}
			return req
		})
		add(31, "one filter", func() kmsg.Request {
			req := kmsg.NewPtrDeleteACLsRequest()
			f := kmsg.NewDeleteACLsRequestFilter()
			f.ResourceType, f.ResourceName, f.ResourcePatternType, f.Operation, f.PermissionType = 2, name, 3, 3, 3
			req.Filters = []kmsg.DeleteACLsRequestFilter{f}
			return req
		})
		add(38, "a token", func() kmsg.Request {
			req := kmsg.NewPtrCreateDelegationTokenRequest()
			req.MaxLifetimeMillis = -1
			return req
		})
		add(39, "renewal", func() kmsg.Request {
			req := kmsg.NewPtrRenewDelegationTokenRequest()
			req.HMAC, req.RenewTimeMillis = []byte("hmac"), -1
			return req
		})
		add(40, "expiry", func() kmsg.Request {
			req := kmsg.NewPtrExpireDelegationTokenRequest()
			req.HMAC, req.ExpiryPeriodMillis = []byte("hmac"), -1
			return req
		})
		if !where { // Kafka's controllers do not answer it though they say so
			add(41, "all tokens", func() kmsg.Request { return kmsg.NewPtrDescribeDelegationTokenRequest() })
		}
	}
	return out
}
