package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat, versions 0 to 4. The answer may be held until there is news.
//
// v3 static members
func newHeartbeat(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.HeartbeatRequest) {
		who := caller(c)
		if r.InstanceID == nil && mayHold(c, classicProtocol) { // Java's close() waits for a static member's
			who.Hold = c.Hold
		}
		g.Heartbeat(who, r, func(resp *kmsg.HeartbeatResponse) { c.Reply(resp) })
	})
}
