package image

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// TestMembersForget: replicas that come and go for ever do not make the lists
// grow for ever, and what they name is what there is.
func TestMembersForget(t *testing.T) {
	img := large(t, 2, 3)
	m := NewMembers(img.Topics)
	step := func(r records.Record) {
		d := NewDelta(img)
		mustReplay(t, d, r)
		img = d.Apply(Provenance{})
		m.Follow(img.Topics, d.Topics())
	}
	names := func(broker ids.NodeID) (out []string) {
		m.Each(img.Topics, broker, func(t *Topic, i int32, _ *Partition) bool {
			out = append(out, fmt.Sprint(t.Name, "-", i))
			return true
		})
		return out
	}
	zero, one := img.Topics.ByName("topic-0").ID, img.Topics.ByName("topic-1").ID
	for i := range 5000 {
		isr := []ids.NodeID{0}
		if i%2 == 0 {
			isr = []ids.NodeID{0, 2}
		}
		step(&records.PartitionChangeRecord{TopicID: zero, Leader: -2, LeaderRecoveryState: -1, ISR: isr})
	}
	for id, l := range m.of {
		if len(l.refs) > minMembers+1 {
			t.Errorf("%d references for broker %d", len(l.refs), id)
		}
	}
	if got := names(2); !slices.Equal(got, []string{"topic-0-1", "topic-0-2", "topic-1-0", "topic-1-1"}) {
		t.Errorf("broker 2: %v", got)
	}
	step(&records.PartitionChangeRecord{TopicID: one, PartitionID: 1, Leader: -1, LeaderRecoveryState: -1, ISR: []ids.NodeID{}, EligibleLeaderReplicas: []ids.NodeID{2}})
	step(&records.RemoveTopicRecord{TopicID: zero})
	if got := names(2); !slices.Equal(got, []string{"topic-1-0", "topic-1-1"}) || !slices.Equal(names(ids.NoNode), []string{"topic-1-1"}) {
		t.Errorf("broker 2: %v, leaderless: %v", got, names(ids.NoNode))
	}
}
