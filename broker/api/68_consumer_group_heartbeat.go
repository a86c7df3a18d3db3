package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConsumerGroupHeartbeat, versions 0 and 1: members of consumer groups join, go on
// and leave with it (KIP-848). The answer may be held until there is news.
//
// v1 regular expressions, member ids made by the client
func newConsumerGroupHeartbeat(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.ConsumerGroupHeartbeatRequest) {
		who := caller(c)
		if mayHold(c, consumerProtocol) {
			who.Hold = c.Hold
		}
		g.ConsumerGroupHeartbeat(who, r, func(resp *kmsg.ConsumerGroupHeartbeatResponse) { c.Reply(resp) })
	})
}
