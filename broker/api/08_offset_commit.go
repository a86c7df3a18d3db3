package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetCommit, versions 2 to 10: offsets of a member, or of anyone while the
// group is empty.
//
// v5 no retention time  v6 leader epoch  v7 static members  v9 member epochs
// (KIP-848): GROUP_ID_NOT_FOUND, STALE_MEMBER_EPOCH  v10 topics by id
//
// Two-stage: the coordinator takes requests of a group in the order it was given
// them, so the next request need not wait until a commit is replicated.
func newOffsetCommit(g Groups) Handle {
	if g == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.OffsetCommitRequest) {
		g.CommitOffsets(r, c.Conn, func(resp *kmsg.OffsetCommitResponse) { c.ReplyLater(resp) })
	})
}
