package image

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// large makes an image of topics × partitions with three replicas each.
func large(t testing.TB, topics, partitions int) *Image {
	d := NewDelta(Empty())
	mustReplay(t, d, &records.FeatureLevelRecord{Name: MetadataVersionFeature, FeatureLevel: int16(LatestMetadataVersion)})
	for i := range topics {
		id := ids.TopicID{byte(i), byte(i >> 8), byte(i >> 16), 15: 1}
		mustReplay(t, d, &records.TopicRecord{Name: fmt.Sprintf("topic-%d", i), TopicID: id})
		for p := range partitions {
			b := ids.NodeID(i + p)
			mustReplay(t, d, &records.PartitionRecord{PartitionID: int32(p), TopicID: id, Replicas: []ids.NodeID{b, b + 1, b + 2}, ISR: []ids.NodeID{b, b + 1, b + 2},
				Leader: b, Directories: []ids.DirectoryID{{byte(b)}, {byte(b + 1)}, {byte(b + 2)}}})
		}
	}
	return d.Apply(Provenance{})
}

// BenchmarkMillionPartitions: memory a partition, and what a small delta costs.
func BenchmarkMillionPartitions(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	img := large(b, 10_000, 100)
	runtime.GC()
	runtime.ReadMemStats(&after)
	id := img.Topics.ByName("topic-5000").ID
	change := &records.PartitionChangeRecord{PartitionID: 50, TopicID: id, Leader: 7, LeaderRecoveryState: -1, ISR: []ids.NodeID{7}}
	for b.Loop() {
		d := NewDelta(img)
		if err := d.Replay(change); err != nil {
			b.Fatal(err)
		}
		img = d.Apply(Provenance{})
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "B/partition")
	runtime.KeepAlive(img)
}

// BenchmarkSnapshot writes and reads images of 100,000 partitions as records' bytes.
func BenchmarkSnapshot(b *testing.B) {
	img := large(b, 1000, 100)
	var buf []byte
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			for v := range img.Records() {
				buf = v.Append(buf[:0])
			}
		}
		b.ReportMetric(101_001*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	var all [][]byte
	for v := range img.Records() {
		all = append(all, v.Append(nil))
	}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			l := NewLoader(Empty())
			for _, raw := range all {
				if err := l.Add(raw); err != nil {
					b.Fatal(err)
				}
			}
			d, err := l.Finish()
			if err != nil {
				b.Fatal(err)
			}
			d.Apply(Provenance{})
		}
		b.ReportMetric(101_001*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}
