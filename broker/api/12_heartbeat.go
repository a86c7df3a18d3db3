package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat, versions 0 to 4. v3 static members
func newHeartbeat(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.HeartbeatRequest) {
		g.Heartbeat(r, func(resp *kmsg.HeartbeatResponse) { c.Reply(resp) })
	})
}
