package api

import (
	"fmt"
	"testing"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func benchCluster(b *testing.B, topics int) *Cluster {
	recs := threeBrokers()[:3]
	for i := range topics {
		recs = append(recs, topicRecords(fmt.Sprintf("topic-%05d", i), fmt.Sprintf("%08x", i), []ids.NodeID{1, 3}, 1, 1, 1)...)
	}
	img := imageOf(b, recs...)
	return &Cluster{ID: "5L6g3nShT-eMCtK--X86sw", Image: func() *image.Image { return img }, KRaftVersion: func() int16 { return 1 }}
}

// BenchmarkMetadataAll is a client that asks about 5,000 topics of 3 partitions.
func BenchmarkMetadataAll(b *testing.B) {
	c := benchCluster(b, 5000)
	img := c.Image()
	key := fullKey{"PLAINTEXT", 12, noOperations, noOperations}
	var buf []byte
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a := c.encodeAll(img, c.view(img, "PLAINTEXT"), key)
			b.SetBytes(int64(len(a.before) + len(a.after)))
		}
	})
	b.Run("next", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = c.allTopics(img, c.view(img, "PLAINTEXT"), key).AppendTo(buf[:0])
		}
	})
}

// BenchmarkMetadataOne is a client that asks about the one topic it uses.
func BenchmarkMetadataOne(b *testing.B) {
	c := benchCluster(b, 5000)
	name := "topic-02500"
	r := kmsg.NewPtrMetadataRequest()
	r.Version = 12
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &name
	r.Topics = append(r.Topics, t)
	m := &metadata{cluster: c}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		img := c.Image()
		w := newMetadataWriter(r.Version, c.view(img, "PLAINTEXT"), noOperations)
		w.brokers(c.ID)
		w.controller(w.view.anyAlive())
		m.writeByName(w, img, nil, r)
		w.end(noOperations)
		buf = (&encoded{body: w.b}).AppendTo(buf[:0])
	}
}

// BenchmarkConnect is a new connection with its two questions, ApiVersions and
// Metadata, over the whole server in memory.
func BenchmarkConnect(b *testing.B) {
	w := newAdminWorld(b, kafkaWorld()...)
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.ClientSoftwareName, versions.ClientSoftwareVersion = "bench", "1"
	versions.Version = 4
	name := "a"
	about := kmsg.NewPtrMetadataRequest()
	about.Version = 12
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &name
	about.Topics = append(about.Topics, t)
	first, second := versions.AppendTo(nil), about.AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		nc, err := w.dial(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		exchange(b, nc, true, 18, 4, first)
		exchange(b, nc, true, 3, 12, second)
		nc.Close()
	}
}
