package api

import (
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerHeartbeat notes that the broker lives before anything is decided, so
// that a decision that fails or waits long for its commit does not fence it. The connection
// is watched from then on: when it closes, the broker may be dead.
func (s *Server) brokerHeartbeat() handle {
	decided := command(s.parts.Active, func(e *decide.Env, req *kmsg.BrokerHeartbeatRequest) (decide.Decision, error) {
		e.Live.Contact(ids.NodeID(req.BrokerID), req.BrokerEpoch, e.Now)
		return decide.BrokerHeartbeat(e, req)
	})
	return typed(func(r *request, req *kmsg.BrokerHeartbeatRequest) {
		if r.line != nil && s.parts.Pulse != nil {
			s.parts.Pulse.Heard(r.line, ids.NodeID(req.BrokerID), req.BrokerEpoch)
		}
		decided(r)
	})
}
