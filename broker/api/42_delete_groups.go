package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteGroups, versions 0 to 2.
func newDeleteGroups(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.DeleteGroupsRequest) {
		g.DeleteGroups(r, func(resp *kmsg.DeleteGroupsResponse) { c.Reply(resp) })
	})
}
