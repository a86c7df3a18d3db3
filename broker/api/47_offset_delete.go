package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetDelete, version 0: forgets offsets of topics that the group does not read (KIP-496).
func newOffsetDelete(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.OffsetDeleteRequest) {
		g.OffsetDelete(r, func(resp *kmsg.OffsetDeleteResponse) { c.Reply(resp) })
	})
}
