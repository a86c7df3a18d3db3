package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeGroups, versions 0 to 6: classic groups.
//
// v3 what the caller may do  v4 static members  v6 GROUP_ID_NOT_FOUND
func newDescribeGroups(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.DescribeGroupsRequest) {
		g.DescribeGroups(r, func(resp *kmsg.DescribeGroupsResponse) {
			if r.Version >= 3 && r.IncludeAuthorizedOperations {
				for i := range resp.Groups {
					if resp.Groups[i].ErrorCode == 0 {
						resp.Groups[i].AuthorizedOperations = groupOperations
					}
				}
			}
			c.Reply(resp)
		})
	})
}
