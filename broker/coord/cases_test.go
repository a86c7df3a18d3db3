package coord

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// join asks for a place in the group g; the answer comes when its first rebalance is over.
func (w *world) join(answer **kmsg.JoinGroupResponse) {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.ProtocolType, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 3, "g", "consumer", 30_000, 30_000
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0}}}
	w.groups.JoinGroup(groupcoord.Caller{ClientID: "c", Host: "/h"}, r, func(r *kmsg.JoinGroupResponse) { *answer = r })
	synctest.Wait()
}

// TestCase36PartitionEpochOnly (KAFKA-15468): a change of the coordinator's partition
// that is none of its leadership, such as another ISR or a replica that is added,
// keeps the coordinator as it is: nothing is loaded again, so that who waits for an
// answer goes on waiting for it. So does being told of the same leadership twice, and
// a new epoch of the same leader while nobody else has written.
func TestCase36PartitionEpochOnly(t *testing.T) {
	partition := func(w *world) int32 { return w.groups.PartitionOf("g") }
	for name, change := range map[string]func(w *world){
		"isr": func(w *world) {
			w.apply(&records.PartitionChangeRecord{PartitionID: partition(w), TopicID: offsetsID, ISR: []ids.NodeID{1}, Leader: -2, LeaderRecoveryState: -1})
		},
		"a replica more": func(w *world) {
			w.apply(&records.PartitionChangeRecord{PartitionID: partition(w), TopicID: offsetsID, Replicas: []ids.NodeID{1, 2}, AddingReplicas: []ids.NodeID{2},
				Directories: make([]ids.DirectoryID, 2), Leader: -2, LeaderRecoveryState: -1})
		},
		"told twice": func(w *world) {
			w.groups.Lead(partition(w), ids.LeaderEpoch(w.img.Topics.ByID(offsetsID).Partitions[partition(w)].LeaderEpoch))
			synctest.Wait()
		},
		"told late": func(w *world) {
			w.groups.Resign(partition(w), ids.LeaderEpoch(w.img.Topics.ByID(offsetsID).Partitions[partition(w)].LeaderEpoch)-1)
			synctest.Wait()
		},
		"elected again": func(w *world) { w.lead(1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.groups.Close()
				w.lead(1) // an epoch before this one
				if c := w.commit(5); c != 0 {
					t.Fatalf("commit: %d", c)
				}
				var first, second *kmsg.JoinGroupResponse
				w.join(&first) // waits for more members to come
				before := *w.img.Topics.ByID(offsetsID).Partitions[partition(w)]
				change(w)
				after := w.img.Topics.ByID(offsetsID).Partitions[partition(w)]
				if wants := name == "elected again"; (after.LeaderEpoch != before.LeaderEpoch) != wants {
					t.Fatalf("leader epoch %d became %d", before.LeaderEpoch, after.LeaderEpoch)
				}
				if first != nil {
					t.Fatalf("who waited was answered: %+v", first)
				}
				w.want(5, 0)
				w.join(&second)
				time.Sleep(10 * time.Second) // the bubble's
				synctest.Wait()
				if first == nil || first.ErrorCode != 0 || second == nil || second.ErrorCode != 0 || first.Generation != 1 || second.Generation != 1 {
					t.Fatalf("the rebalance that was under way: %+v and %+v", first, second)
				}
				w.lead(2)
				w.want(0, kerr.NotCoordinator.Code)
			})
		})
	}
}
