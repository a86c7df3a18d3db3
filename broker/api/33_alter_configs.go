package api

import (
	"context"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
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
	v := a.judgeWhole(r)
	rest := *r
	rest.Resources = nil
	for i := range r.Resources {
		if v[i] == nil {
			rest.Resources = append(rest.Resources, r.Resources[i])
		}
	}
	if len(rest.Resources) == 0 {
		c.Reply(mergeWhole(r, v, nil, nil))
		return
	}
	go func() {
		resp, err := a.forward.ForwardAs(context.Background(), forward.OriginOf(c), &rest)
		answer, ok := resp.(*kmsg.AlterConfigsResponse)
		if err == nil && !ok {
			err = errWrongReply
		}
		c.Reply(mergeWhole(r, v, answer, err))
	}()
}

// judgeWhole checks the resources; a nil verdict leaves one to the controller.
func (a *alterer) judgeWhole(r *kmsg.AlterConfigsRequest) verdicts {
	named := make([]resourceID, len(r.Resources))
	for i, q := range r.Resources {
		named[i] = resourceID{q.ResourceType, q.ResourceName}
	}
	v := newVerdicts(named)
	for i, q := range r.Resources {
		if v[i] != nil {
			continue
		}
		changes := make([]change, len(q.Configs))
		for j, c := range q.Configs {
			changes[j] = change{c.Name, c.Value, opSet}
		}
		e := checkShape(changes)
		if e.code == nil {
			e = a.checkResource(named[i], func() (map[string]string, refusal) { return applied(map[string]string{}, changes) })
		}
		v.refuse(i, e)
	}
	return v
}

// mergeWhole puts the broker's verdicts and the controller's answers in the
// order of the request.
func mergeWhole(r *kmsg.AlterConfigsRequest, v verdicts, from *kmsg.AlterConfigsResponse, err error) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.AlterConfigsResponse)
	for i, q := range r.Resources {
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = q.ResourceType, q.ResourceName
		switch {
		case v[i] != nil:
			out.ErrorCode, out.ErrorMessage = v[i].wire()
		case err != nil:
			out.ErrorCode, out.ErrorMessage = failed(err).wire()
		default:
			out.ErrorCode = kerr.UnknownServerError.Code // unless the controller answered it
			for _, got := range from.Resources {
				if got.ResourceType == q.ResourceType && got.ResourceName == q.ResourceName {
					out.ErrorCode, out.ErrorMessage = got.ErrorCode, got.ErrorMessage
				}
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}
