package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConsumerGroupDescribe, versions 0 and 1: consumer groups with what each member
// has and shall have (KIP-848). v1 which protocol a member speaks
func newConsumerGroupDescribe(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.ConsumerGroupDescribeRequest) {
		g.ConsumerGroupDescribe(r, func(resp *kmsg.ConsumerGroupDescribeResponse) {
			if r.IncludeAuthorizedOperations {
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
