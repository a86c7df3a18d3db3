package api

import (
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerHeartbeat notes that the broker lives before anything is decided, so
// that a decision that fails or waits long for its commit does not fence it.
func (s *Server) brokerHeartbeat() handle {
	return command(s.parts.Active, func(e *decide.Env, req *kmsg.BrokerHeartbeatRequest) (decide.Decision, error) {
		e.Live.Contact(ids.NodeID(req.BrokerID), req.BrokerEpoch, e.Now)
		return decide.BrokerHeartbeat(e, req)
	})
}
