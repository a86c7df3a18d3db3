package check

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// TestKafkasFilesAreOurs: what Apache Kafka has in its files, written by us, is the
// same to the byte, but for the order of producers in a snapshot.
func TestKafkasFilesAreOurs(t *testing.T) {
	d := kafkas(t)
	seen := map[string]int{}
	for _, name := range allFiles(t, d, "/d") {
		was := d.read(name)
		again, kind, err := rewritten(name, was)
		if kind == "" {
			continue
		}
		if seen[kind]++; err != nil || !bytes.Equal(inOrder(name, again), inOrder(name, was)) {
			t.Errorf("%s: %v\nwas %q\nis  %q", name, err, was, again)
		}
	}
	if len(seen) != 5 {
		t.Errorf("kinds of files: %v", seen)
	}
}

// inOrder sorts the producers of a snapshot, which Kafka writes in the order of a
// hash table, and takes out the checksum over them; other files stay as they are.
func inOrder(name string, b []byte) []byte {
	const head, entry = 10, 46
	if path.Ext(name) != segment.SnapshotSuffix || len(b) < head {
		return b
	}
	list := slices.SortedFunc(slices.Chunk(b[head:], entry), bytes.Compare)
	return bytes.Join(append([][]byte{b[:2], b[6:head]}, list...), nil)
}

// rewritten is a file read and written again, kind "" if it is none of those that
// hold nothing but what was parsed of them.
func rewritten(name string, b []byte) (again []byte, kind string, err error) {
	base := path.Base(name)
	switch kind = path.Ext(base); {
	case base == epochs.FileName:
		h, err := epochs.Parse(b)
		if err != nil {
			return nil, base, err
		}
		return h.Encode(), base, nil
	case base == partlog.MetadataFile:
		id, err := partlog.ParseMetadata(b)
		return partlog.EncodeMetadata(id), base, err
	case base == logdir.StartFile || base == logdir.CleanerFile:
		o, err := logdir.ParseOffsets(b)
		return logdir.EncodeOffsets(o), "checkpoint", err
	case kind == segment.SnapshotSuffix:
		off, _ := offsetName(base)
		s, err := producers.Parse(b, off)
		if err != nil {
			return nil, kind, err
		}
		return s.Encode(), kind, nil
	case kind == segment.TxnSuffix:
		txns, err := segment.ParseAbortedTxns(name, b)
		for _, a := range txns {
			again = segment.AppendAbortedTxn(again, a)
		}
		return again, kind, err
	}
	return nil, "", nil
}

// TestWhatFollowsFromALogIsKafkas: indexes, producer snapshots and epochs that we
// make from the segments of Apache Kafka alone are those that it made, to the byte.
func TestWhatFollowsFromALogIsKafkas(t *testing.T) {
	for _, topic := range []string{"log-none-0", "log-gzip-0", "log-lz4-1", "log-txn-0", "log-txn-1", "log-open-0", "log-append-time-0", "__transaction_state-0"} {
		d := kafkas(t)
		dir := "/d/" + topic
		names, err := d.ReadDir(dir)
		d.must(err)
		was := map[string][]byte{}
		for _, e := range names {
			if name := dir + "/" + e.Name; !strings.HasSuffix(name, segment.LogSuffix) && e.Name != partlog.MetadataFile {
				was[e.Name] = d.read(name)
				d.must(d.Remove(name))
			}
		}
		remade(t, d, dir)
		for name, b := range was {
			got, err := vfs.ReadFile(d, dir+"/"+name, 1<<20)
			if err != nil || !bytes.Equal(inOrder(name, got), inOrder(name, b)) {
				t.Errorf("%s/%s: %v\nApache Kafka's %x\nours           %x", topic, name, err, b, got)
			}
		}
	}
}

// remade opens a log as after a kill, with nothing flushed, and closes it cleanly.
func remade(t *testing.T, d disk, dir string) {
	t.Helper()
	i := strings.LastIndexByte(dir, '-')
	cfg := partlog.DefaultConfig()
	if strings.HasPrefix(dir, "/d/log-txn") {
		cfg.IndexIntervalBytes = 512
	}
	l, err := partlog.Open(partlog.Options{FS: d, Dir: dir, TP: ids.TopicPartition{Topic: dir[3:i]}, Config: &cfg,
		Env: &partlog.Env{Clock: func() int64 { return now }, ProducerExpirationMs: 1 << 50}})
	d.must(err)
	_, err = l.ActiveProducers()
	d.must(err)
	d.must(l.Flush())
	d.must(l.Close(true))
}
