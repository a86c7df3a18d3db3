package logdir

import (
	"runtime"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// liveHeap is what is reachable, in bytes: two collections, so that what had a
// finalizer is gone too.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestIdleLogsAreSmall: a log that was written and rests again takes at most a
// kibibyte. It counts what is reachable, so that the collector's pace does not matter.
func TestIdleLogsAreSmall(t *testing.T) {
	const logs = 600
	fsys := vfs.OS
	n := newNode(t, fsys, t.TempDir())
	before := liveHeap()
	for i := range int32(logs) {
		n.must(n.append(n.log(ids.TopicPartition{Topic: "t", Partition: i}, id1)))
		if i%200 == 199 { // never many files at once
			n.s.Tick(n.now, n.hw)
			n.now += restAfterMs
			n.s.Tick(n.now, n.hw)
		}
	}
	n.must(n.s.Checkpoint(n.hw))
	each := (liveHeap() - before) / logs
	t.Logf("%d bytes a log", each)
	if each > 1024 {
		t.Errorf("%d bytes a log that rests", each)
	}
	runtime.KeepAlive(n)
}
