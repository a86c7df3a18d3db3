package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListGroups, versions 0 to 5: the groups coordinated here. v4 by state  v5 by type
func newListGroups(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.ListGroupsRequest) {
		g.ListGroups(r, func(resp *kmsg.ListGroupsResponse) { c.Reply(resp) })
	})
}
