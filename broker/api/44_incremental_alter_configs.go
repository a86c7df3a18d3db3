package api

import (
	"context"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
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
	v := a.judgeChanges(r)
	rest := *r
	rest.Resources = nil
	for i := range r.Resources {
		if v[i] == nil {
			rest.Resources = append(rest.Resources, r.Resources[i])
		}
	}
	if len(rest.Resources) == 0 {
		c.Reply(mergeChanges(r, v, nil, nil))
		return
	}
	go func() {
		resp, err := a.forward.ForwardAs(context.Background(), forward.OriginOf(c), &rest)
		answer, ok := resp.(*kmsg.IncrementalAlterConfigsResponse)
		if err == nil && !ok {
			err = errWrongReply
		}
		c.Reply(mergeChanges(r, v, answer, err))
	}()
}

// judgeChanges checks the resources and alters log levels; a nil verdict leaves
// a resource to the controller.
func (a *alterer) judgeChanges(r *kmsg.IncrementalAlterConfigsRequest) verdicts {
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
			changes[j] = change{c.Name, c.Value, int8(c.Op)}
		}
		e := checkShape(changes)
		switch {
		case e.code != nil:
		case int8(q.ResourceType) == image.BrokerLoggerResource:
			e = a.alterLoggers(q.ResourceName, changes, r.ValidateOnly)
			if e.code == nil {
				v[i] = &refusal{} // done here
			}
		default:
			e = a.checkResource(named[i], func() (map[string]string, refusal) { return applied(a.present(q.ResourceName), changes) })
		}
		v.refuse(i, e)
	}
	return v
}

// mergeChanges puts the broker's verdicts and the controller's answers in the
// order of the request.
func mergeChanges(r *kmsg.IncrementalAlterConfigsRequest, v verdicts, from *kmsg.IncrementalAlterConfigsResponse, err error) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for i, q := range r.Resources {
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
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
