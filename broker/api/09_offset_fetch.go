package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetFetch, versions 1 to 10.
//
// v2 all topics of a group, error of the whole  v5 leader epoch  v7 require
// stable: UNSTABLE_OFFSET_COMMIT  v8 many groups  v9 member epochs  v10 topics by id
func newOffsetFetch(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.OffsetFetchRequest) {
		g.OffsetFetch(r, func(resp *kmsg.OffsetFetchResponse) { c.Reply(resp) })
	})
}
