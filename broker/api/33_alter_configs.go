package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterConfigs, versions 0 to 2: replaces the whole dynamic configuration of
// each resource. Superseded by IncrementalAlterConfigs and still sent by older
// clients. It knows no log levels. v2 flexible.
func alterConfigsHandler(config *Config, node ids.NodeID, client *forward.Client) Handle {
	if config == nil || client == nil {
		return nil
	}
	a := &alterer{config: config, node: node, forward: client}
	return Typed(a.alterConfigs)
}

func (a *alterer) alterConfigs(c *conn.Call, r *kmsg.AlterConfigsRequest) {
	type resource = kmsg.AlterConfigsRequestResource
	x := alteration[resource]{
		named: func(q *resource) resourceID { return resourceID{q.ResourceType, q.ResourceName} },
		judge: a.judgeWhole,
		ask: func(rest []resource) (outcomes, error) {
			q := *r
			q.Resources = rest
			resp, err := forwardedAs[*kmsg.AlterConfigsResponse](a, c, &q)
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
			resp := r.ResponseKind().(*kmsg.AlterConfigsResponse)
			for i, q := range r.Resources {
				out := kmsg.NewAlterConfigsResponseResource()
				out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = q.ResourceType, q.ResourceName, all[i].code, all[i].text
				resp.Resources = append(resp.Resources, out)
			}
			c.Reply(resp)
		},
	}
	x.carryOut(r.Resources)
}

func (a *alterer) judgeWhole(q *kmsg.AlterConfigsRequestResource, id resourceID) (done bool, e refusal) {
	changes := make([]change, len(q.Configs))
	for j, c := range q.Configs {
		changes[j] = change{c.Name, c.Value, opSet}
	}
	if e = checkShape(changes); e.code == nil {
		e = a.checkResource(id, func() (map[string]string, refusal) { return applied(map[string]string{}, changes) })
	}
	return false, e
}
