package active

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// TestTallyCountsWhatTheImageHas: however topics come, change and go, the counts
// kept step by step are those of a walk over the image.
func TestTallyCountsWhatTheImageHas(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	var tl tally
	img := image.Empty()
	for step := range 300 {
		d := image.NewDelta(img)
		replay := func(rec records.Record) {
			if err := d.Replay(rec); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		id := ids.TopicID{byte(r.IntN(6)), 1}
		if topic := img.Topics.ByID(id); topic == nil {
			replay(&records.TopicRecord{Name: "t" + string('a'+rune(id[0])), TopicID: id})
			for p := range int32(3) {
				replay(&records.PartitionRecord{PartitionID: p, TopicID: id, Replicas: []ids.NodeID{1, 2}, ISR: []ids.NodeID{1, 2}, Leader: 1})
			}
		} else if r.IntN(4) == 0 {
			replay(&records.RemoveTopicRecord{TopicID: id})
		} else {
			c := &records.PartitionChangeRecord{}
			c.Default()
			c.TopicID, c.PartitionID, c.Leader = id, int32(r.IntN(3)), []ids.NodeID{-1, 1, 2}[r.IntN(3)]
			replay(c)
		}
		img = d.Apply(image.Provenance{Last: ids.OffsetAndEpoch{Offset: ids.Offset(step)}})
		tl.follow(d)
		offline, misled := int64(0), int64(0)
		img.Topics.Each(func(topic *image.Topic) bool {
			for _, p := range topic.Partitions {
				if !p.HasLeader() {
					offline++
				}
				if p.Leader != p.Preferred() {
					misled++
				}
			}
			return true
		})
		if tl.offline.Load() != offline || tl.misled.Load() != misled {
			t.Fatalf("seed %d step %d: %d offline and %d not led by the preferred, counted %d and %d", seed, step, offline, misled, tl.offline.Load(), tl.misled.Load())
		}
	}
}

func TestElections(t *testing.T) {
	var tl tally
	was := &image.Partition{Replicas: []ids.NodeID{1, 2}, ELR: []ids.NodeID{2}, Leader: ids.NoNode}
	tl.election(was, &image.Partition{Leader: 2})
	tl.election(was, &image.Partition{Leader: 1, Recovering: true})
	tl.election(was, was)
	if tl.fromELR.Load() != 1 || tl.unclean.Load() != 1 {
		t.Errorf("%d from ELR, %d unclean", tl.fromELR.Load(), tl.unclean.Load())
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 {
		t.Error("a quantile of nothing")
	}
	var all []float64
	for i := range 1000 {
		h.add(time.Duration(i) * 100 * time.Microsecond)
		all = append(all, float64(i)/10)
	}
	slices.Sort(all)
	for _, q := range []float64{0.5, 0.95, 0.99, 1} {
		exact := all[int(q*1000)-1]
		if got := h.Quantile(q); got < exact || got > max(2.5*exact, 0.01) {
			t.Errorf("quantile %v: %v for %v", q, got, exact)
		}
	}
	h.add(time.Hour)
	if h.Quantile(1) != 3_600_000 || h.Count != 1001 || h.Min != 0 {
		t.Errorf("%+v", h)
	}
}
