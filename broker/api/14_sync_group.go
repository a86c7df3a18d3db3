package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// SyncGroup, versions 0 to 5. The answer comes when the leader has assigned.
//
// v3 static members  v5 protocol type and name, to detect a mix-up
func newSyncGroup(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.SyncGroupRequest) {
		g.SyncGroup(r, func(resp *kmsg.SyncGroupResponse) { c.Reply(resp) })
	})
}
