package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// IncrementalAlterConfigs, versions 0 and 1: sets, removes, appends to and
// subtracts from single keys (KIP-339), log levels among them (KIP-412), which
// the broker that is asked alters itself. v1 flexible.
func incrementalAlterConfigsHandler(config *Config, node ids.NodeID, loggers Loggers, client *forward.Client) Handle {
	if config == nil || client == nil {
		return nil
	}
	a := &alterer{config: config, node: node, loggers: loggers, forward: client}
	return Typed(a.incrementalAlterConfigs)
}

func (a *alterer) incrementalAlterConfigs(c *conn.Call, r *kmsg.IncrementalAlterConfigsRequest) {
	type resource = kmsg.IncrementalAlterConfigsRequestResource
	x := alteration[resource]{
		named: func(q *resource) resourceID { return resourceID{q.ResourceType, q.ResourceName} },
		judge: func(q *resource, id resourceID) (bool, refusal) { return a.judgeChanges(q, id, r.ValidateOnly) },
		ask: func(rest []resource) (outcomes, error) {
			q := *r
			q.Resources = rest
			resp, err := forwardedAs[*kmsg.IncrementalAlterConfigsResponse](a, c, &q)
			if err != nil {
				return nil, err
			}
			got := outcomes{}
			for _, o := range resp.Resources {
				got[resourceID{o.ResourceType, o.ResourceName}] = outcome{o.ErrorCode, o.ErrorMessage}
			}
			return got, nil
		},
		reply: func(all []outcome) {
			resp := r.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
			for i, q := range r.Resources {
				out := kmsg.NewIncrementalAlterConfigsResponseResource()
				out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = q.ResourceType, q.ResourceName, all[i].code, all[i].text
				resp.Resources = append(resp.Resources, out)
			}
			c.Reply(resp)
		},
	}
	x.carryOut(r.Resources)
}

// judgeChanges checks a resource, and alters log levels at once.
func (a *alterer) judgeChanges(q *kmsg.IncrementalAlterConfigsRequestResource, id resourceID, validateOnly bool) (done bool, e refusal) {
	changes := make([]change, len(q.Configs))
	for j, c := range q.Configs {
		changes[j] = change{c.Name, c.Value, int8(c.Op)}
	}
	switch e = checkShape(changes); {
	case e.code != nil:
	case int8(id.typ) == image.BrokerLoggerResource:
		return true, a.alterLoggers(id.name, changes, validateOnly)
	default:
		e = a.checkResource(id, func() (map[string]string, refusal) { return applied(a.present(id.name), changes) })
	}
	return false, e
}
