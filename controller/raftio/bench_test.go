package raftio

import (
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// lone is a single voter on the real disk that leads.
func lone(b *testing.B) (*Node, *recorder) {
	rec := newRecorder()
	o := testOptions(vfs.OS, rec)
	o.Dir = b.TempDir() + "/__cluster_metadata-0"
	n, err := New(o)
	if err == nil {
		err = n.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	for n.Leader().Leader != 1 {
		<-rec.changed
	}
	b.Cleanup(func() { _ = n.Close() })
	return n, rec
}

var threeRecords = [][]byte{make([]byte, 100), make([]byte, 100), make([]byte, 100)}

// BenchmarkAppend is the cost of a metadata commit on a single voter, with the
// appends of the wait for a flush written together.
func BenchmarkAppend(b *testing.B) {
	n, rec := lone(b)
	b.ReportAllocs()
	b.ResetTimer()
	var last ids.Offset
	for i := range b.N {
		var err error
		if last, err = n.Append(1, threeRecords, 0); err != nil {
			b.Fatal(err)
		}
		for i%256 == 255 && n.HighWatermark() <= last {
			<-rec.changed
		}
	}
	for n.HighWatermark() <= last {
		<-rec.changed
	}
}

// BenchmarkCommit is the latency of one metadata commit: one flush.
func BenchmarkCommit(b *testing.B) {
	n, rec := lone(b)
	b.ReportAllocs()
	for b.Loop() {
		last, err := n.Append(1, threeRecords, 0)
		if err != nil {
			b.Fatal(err)
		}
		for n.HighWatermark() <= last {
			<-rec.changed
		}
	}
}
