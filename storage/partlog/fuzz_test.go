package partlog

import (
	"errors"
	"os"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// FuzzMetadata: a partition.metadata that is read is read the same when it is
// written again, and never as no topic at all.
func FuzzMetadata(f *testing.F) {
	f.Add(EncodeMetadata(ids.TopicID{7, 1}))
	f.Add([]byte("version: 0\ntopic_id: 5L6g3nShT-eMCtK--X86sw\n"))
	f.Add([]byte("version: 1\ntopic_id: 5L6g3nShT-eMCtK--X86sw"))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := ParseMetadata(b)
		if err != nil {
			if !errors.Is(err, ErrMetadata) || !id.IsZero() {
				t.Fatal(id, err)
			}
			return
		}
		if again, err := ParseMetadata(EncodeMetadata(id)); err != nil || again != id || id.IsZero() {
			t.Fatal(id, again, err)
		}
	})
}

// FuzzOpen puts anything into the files of a log behind one whole segment. After
// a kill the log opens all the same, with that segment as it was, serves nothing
// that is no valid batch, takes a record, and opens again with everything.
func FuzzOpen(f *testing.F) {
	whole := batch.View(makeBatch(3, testNow, 50, 1, batch.Options{Producer: &batch.Producer{ID: 4}, Transactional: true}))
	whole.SetLeaderEpoch(2)
	next := batch.View(append([]byte(nil), whole...))
	next.SetBaseOffset(3)
	f.Add([]byte(next), []byte{}, []byte{}, []byte("0\n1\n2 0\n"), []byte{})
	f.Add([]byte(next[:70]), make([]byte, 80), make([]byte, 120), []byte("0\n9\n"), []byte("snapshot"))
	f.Add(append(append([]byte(nil), next...), whole...), []byte{0, 0, 0, 1}, []byte{1}, []byte{}, make([]byte, 10))
	f.Fuzz(func(t *testing.T, log, index, times, history, snapshot []byte) {
		fsys := vfs.NewMem()
		dir := "/data/orders-3/"
		if err := fsys.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{
			segment.FileName(0, segment.LogSuffix): whole, segment.FileName(3, segment.LogSuffix): log,
			segment.FileName(3, segment.IndexSuffix): index, segment.FileName(3, segment.TimeSuffix): times,
			segment.FileName(0, segment.IndexSuffix): index, segment.FileName(0, segment.TimeSuffix): times,
			segment.FileName(0, segment.TxnSuffix): index,
			epochs.FileName:                        history, segment.FileName(3, segment.SnapshotSuffix): snapshot,
		} {
			file, err := fsys.OpenFile(dir+name, os.O_RDWR|os.O_CREATE)
			if err == nil {
				_, err = file.WriteAt(b, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		cfg := DefaultConfig()
		cfg.IndexIntervalBytes = 1
		l := mustOpen(t, testOptions(fsys, quietEnv(), &cfg))
		if l.EndOffset() < 3 {
			t.Fatalf("the log ends at %d", l.EndOffset())
		}
		if _, err := l.ActiveProducers(); err != nil {
			t.Fatal(err)
		}
		readAll(t, l, 0, 100)
		if _, err := l.AppendAsLeader(makeBatch(1, testNow, 10, 2, batch.Options{}), 1<<30, Client, testNow); err != nil && l.EndOffset() < 1<<40 {
			t.Fatal(err)
		}
		end := l.EndOffset()
		if err := l.Close(true); err != nil {
			t.Fatal(err)
		}
		o := testOptions(fsys, quietEnv(), &cfg)
		o.CleanShutdown, o.RecoveryPoint = true, end
		l = mustOpen(t, o)
		readAll(t, l, 0, 1<<20)
		if l.EndOffset() != end || l.Damages() != 0 {
			t.Fatalf("ends at %d, ended at %d, %d damaged places", l.EndOffset(), end, l.Damages())
		}
	})
}
