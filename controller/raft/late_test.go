package raft

import (
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// A fetch that is answered while a snapshot is downloaded was asked for before: its
// records, acknowledged, would be replaced by a snapshot that lacks them.
func TestALateFetchDoesNotReachBehindADownload(t *testing.T) {
	h := &harness{}
	h.cluster(1, 1, false)
	lead, n := h.nodes[0], h.nodes[1]
	h.elect(lead)
	h.run(3000, 0)
	f, ok := n.core.role.(*follower)
	if !ok {
		t.Fatalf("it is %v", n.core.Role())
	}
	end := n.core.log.End
	f.download = &download{id: ids.OffsetAndEpoch{Offset: end, Epoch: n.core.hard.Epoch}}
	n.core.stepFetchReply(lead.id, FetchReply{
		LeaderInfo: LeaderInfo{Leader: lead.id, Epoch: n.core.hard.Epoch}, HighWatermark: end + 1,
		Entries: []Entry{{Base: end, Last: end, Epoch: n.core.hard.Epoch}},
	}, n.now)
	if n.core.log.End != end || n.core.hw > end || f.download == nil {
		t.Errorf("the log ends at %d, not %d, committed is %d, the download %v", n.core.log.End, end, n.core.hw, f.download)
	}
}
