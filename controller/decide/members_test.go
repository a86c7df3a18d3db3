package decide

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// TestIndexFindsWhatAWalkFinds: an index that follows every step leads to the
// same decisions as a look at every partition.
func TestIndexFindsWhatAWalkFinds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := kafkaLike(t)
		members := image.NewMembers(e.Image.Topics)
		index := func() *image.Members { return members }
		e.Members = index
		w := &world{Env: e, t: rt, epoch: map[int32]int64{1: e.Image.Cluster.Broker(1).Epoch}, next: 1}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			w.step()
			for id := ids.NodeID(1); id <= 5; id++ {
				if e.Image.Cluster.Broker(id) == nil {
					continue
				}
				e.Members = nil
				walked, leads := Fence(e, id), e.leads(id)
				e.Members = index
				if diff := cmp.Diff(walked.Records, Fence(e, id).Records); diff != "" || e.leads(id) != leads {
					rt.Fatalf("broker %d leads: %v (-walk +index):\n%s", id, leads, diff)
				}
			}
		}
	})
}

// BenchmarkFence fences one of 1000 brokers in a cluster of 100,000 partitions.
func BenchmarkFence(b *testing.B) {
	e := kafkaLike(b)
	d := Decision{}
	for i := range 1000 {
		d.add(&records.RegisterBrokerRecord{BrokerID: ids.NodeID(100 + i), BrokerEpoch: 1, LogDirs: []ids.DirectoryID{{byte(i), byte(i >> 8), 1}}}, 4)
	}
	for i := range 1000 {
		id := ids.TopicID{byte(i), byte(i >> 8), 15: 1}
		d.add(&records.TopicRecord{Name: fmt.Sprintf("topic-%d", i), TopicID: id}, 0)
		for p := range 100 {
			var on []ids.NodeID
			for r := range 3 {
				on = append(on, ids.NodeID(100+(i*100+p*7+r)%1000))
			}
			d.add(&records.PartitionRecord{PartitionID: int32(p), TopicID: id, Replicas: on, ISR: on, Leader: on[0], Directories: make([]ids.DirectoryID, 3)}, 2)
		}
	}
	e.apply(b, d)
	run := func(name string, members func() *image.Members) {
		b.Run(name, func(b *testing.B) {
			e.Members = members
			for b.Loop() {
				if d := Fence(e, 500); len(d.Records) < 100 {
					b.Fatal(len(d.Records))
				}
			}
		})
	}
	run("walk", nil)
	index := image.NewMembers(e.Image.Topics)
	run("index", func() *image.Members { return index })
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			image.NewMembers(e.Image.Topics)
		}
	})
}
