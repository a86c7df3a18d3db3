package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// JoinGroup, versions 0 to 9. The answer comes when all members have joined, so
// it may take a rebalance timeout; the connection waits for it.
//
// v1 rebalance timeout  v4 MEMBER_ID_REQUIRED  v5 static members  v7 protocol type
// in the answer  v8 reason  v9 skip assignment
func newJoinGroup(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.JoinGroupRequest) {
		g.JoinGroup(caller(c), r, func(resp *kmsg.JoinGroupResponse) { c.Reply(resp) })
	})
}
