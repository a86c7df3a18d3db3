package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// LeaveGroup, versions 0 to 5. v3 many members, static ones by instance  v5 reason
func newLeaveGroup(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.LeaveGroupRequest) {
		g.LeaveGroup(r, func(resp *kmsg.LeaveGroupResponse) { c.Reply(resp) })
	})
}
