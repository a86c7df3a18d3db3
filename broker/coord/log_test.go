package coord

import (
	"testing"
	"testing/synctest"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
)

// A partition leaves this broker before its coordinator hears of it. Who commits in
// between shall look for the coordinator again: with UNKNOWN_SERVER_ERROR a consumer
// would end.
func TestCommitWhileThePartitionLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.groups.Close()
		w.apply(&records.RemoveTopicRecord{TopicID: offsetsID})
		code := int16(-1)
		w.replicas.OnLeadership(groupcoord.Topic, func(p int32, leads bool, epoch ids.LeaderEpoch) {
			if leads {
				w.groups.Lead(p, epoch)
				return
			}
			code = w.commit(2)
			w.groups.Resign(p, epoch)
		})
		id := ids.TopicID{0x40, 15: 9}
		w.apply(topic(groupcoord.Topic, id, 2, 1)...)
		if c := w.commit(1); c != 0 {
			t.Fatalf("commit: %d", c)
		}
		w.apply(&records.PartitionChangeRecord{PartitionID: w.groups.PartitionOf("g"), TopicID: id, Replicas: []ids.NodeID{2}, ISR: []ids.NodeID{2},
			Directories: make([]ids.DirectoryID, 1), Leader: 2, LeaderRecoveryState: -1})
		if code != kerr.NotCoordinator.Code {
			t.Fatalf("commit while it leaves: %d", code)
		}
	})
}
