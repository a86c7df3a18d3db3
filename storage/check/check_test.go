package check

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/check/checktest"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

const now = 1_760_000_000_000

// disk is a file system in memory with what tests do to it.
type disk struct {
	*vfs.Mem
	t testing.TB
}

func (d disk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d disk) read(name string) []byte {
	b, err := vfs.ReadFile(d, name, 1<<30)
	d.must(err)
	return b
}

func (d disk) write(name string, b []byte) {
	d.t.Helper()
	f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	d.must(err)
	_, err = f.WriteAt(b, 0)
	d.must(errors.Join(err, f.Close()))
}

// edit replaces a file by what f makes of it.
func (d disk) edit(name string, f func(b []byte) []byte) {
	d.t.Helper()
	d.write(name, f(bytes.Clone(d.read(name))))
}

func (d disk) flip(name string, pos int) {
	d.t.Helper()
	d.edit(name, func(b []byte) []byte { b[pos] ^= 0x55; return b })
}

// kafkas is a folder of Apache Kafka 4.3.1 with topics of every kind: all codecs,
// transactions, compaction, groups, share groups (tests/interop, -record -run folder).
func kafkas(t testing.TB) disk {
	t.Helper()
	d := disk{vfs.NewMem(), t}
	files, err := checktest.Kafkas()
	d.must(err)
	for name, b := range files {
		d.must(d.MkdirAll(path.Dir("/d/" + name)))
		d.write("/d/"+name, b)
	}
	return d
}

// ours makes a data directory with one partition of several segments.
func ours(t *testing.T) disk {
	t.Helper()
	d := disk{vfs.NewMem(), t}
	d.must(d.MkdirAll("/d"))
	d.must(logdir.WriteMeta(d, "/d", logdir.MetaProperties{Version: 1, ClusterID: "c", NodeID: 1, HasNodeID: true, DirectoryID: ids.DirectoryID{200}}))
	s, err := logdir.Open(logdir.Options{FS: d, Dirs: []string{"/d"}, Env: &partlog.Env{Clock: func() int64 { return now }, ProducerExpirationMs: 1 << 50}})
	d.must(err)
	cfg := partlog.DefaultConfig()
	cfg.SegmentBytes, cfg.IndexIntervalBytes = 2000, 300
	l, _, err := s.OpenPartition(ids.TopicPartition{Topic: "t"}, ids.TopicID{1}, nil, &cfg)
	d.must(err)
	for i := range 60 {
		b := batch.NewBuilder(batch.Options{})
		b.Append(now+int64(i), []byte("k"), make([]byte, 100), nil)
		v, err := b.Bytes()
		d.must(err)
		_, err = l.AppendAsLeader(v, 1, partlog.Client, now)
		d.must(err)
	}
	d.must(s.Close(1, func(ids.TopicPartition) (ids.Offset, bool) { return l.EndOffset(), true }))
	return d
}

// found checks directories.
func (d disk) found(dirs ...string) []Finding {
	d.t.Helper()
	var out []Finding
	_, err := Dirs(d, dirs, Options{}, func(f Finding) { out = append(out, f) })
	d.must(err)
	return out
}

func TestGoodFolders(t *testing.T) {
	for name, d := range map[string]disk{"ours": ours(t), "Apache Kafka's": kafkas(t)} {
		var read int64
		total, err := Dirs(d, []string{"/d"}, Options{Progress: func(n int64) { read += n }}, func(f Finding) { t.Errorf("%s: %v", name, f) })
		if err != nil || total.Records < 60 || total.Segments < 2 || read != total.Bytes {
			t.Errorf("%s: %+v, %d bytes told, %v", name, total, read, err)
		}
	}
}

// TestEveryFileIsLookedAt damages the first byte of one file after the other.
func TestEveryFileIsLookedAt(t *testing.T) {
	for name, folder := range map[string]func() disk{"ours": func() disk { return ours(t) }, "Apache Kafka's": func() disk { return kafkas(t) }} {
		for _, file := range allFiles(t, folder(), "/d") {
			d := folder()
			// Nothing is asked of a mark of nothing, nor of what the next start removes.
			if len(d.read(file)) == 0 || strings.HasSuffix(file, ".deleted") {
				continue
			}
			d.flip(file, 0)
			list := d.found("/d")
			if len(list) == 0 || !strings.HasPrefix(list[0].String(), file) {
				t.Errorf("%s: %s: damage not found: %v", name, file, list)
			} else if strings.HasSuffix(file, ".log") && list[0].Repairable {
				t.Errorf("%s: %s: flushed records are damaged, no start repairs that", name, file)
			}
		}
	}
}

func allFiles(t *testing.T, fs vfs.FS, dir string) (out []string) {
	t.Helper()
	names, err := fs.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		if e.IsDir {
			out = append(out, allFiles(t, fs, dir+"/"+e.Name)...)
		} else {
			out = append(out, dir+"/"+e.Name)
		}
	}
	return out
}

// TestMissingSegment: a segment in the middle that is gone is missed, unless the
// log is compacted, where whole segments vanish rightly.
func TestMissingSegment(t *testing.T) {
	d := ours(t)
	var logs []string
	for _, name := range allFiles(t, d, "/d/t-0") {
		if strings.HasSuffix(name, ".log") {
			logs = append(logs, name)
		}
	}
	for _, suffix := range []string{".log", ".index", ".timeindex"} {
		d.must(d.Remove(strings.TrimSuffix(logs[0], ".log") + suffix))
	}
	if list := d.found("/d"); len(list) != 0 { // as retention leaves it
		t.Fatal(list)
	}
	for _, suffix := range []string{".log", ".index", ".timeindex"} {
		d.must(d.Remove(strings.TrimSuffix(logs[2], ".log") + suffix))
	}
	if list := d.found("/d"); len(list) != 1 || !strings.HasPrefix(list[0].Path, logs[3][:len(logs[3])-4]) || !strings.Contains(list[0].Problem, "are missing") {
		t.Fatal(list)
	}
}

const (
	txnLog     = "/d/log-txn-0/00000000000000000000.log"
	noneLog    = "/d/log-none-0/00000000000000000000.log"
	txnIndex   = "/d/log-txn-0/00000000000000000000.txnindex"
	metaLog    = "/d/__cluster_metadata-0/00000000000000000000"
	metaShot   = "/d/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint"
	electedIn  = "/d/__cluster_metadata-0/quorum-state"
	recoveryCp = "/d/recovery-point-offset-checkpoint"
)

// planted is damage and where it must be found; pos -1 is "no byte", -2 any.
var planted = []struct {
	name     string
	plant    func(d disk)
	file     string
	pos      int64
	problem  string
	harmless bool
}{
	{"a bit of a record", func(d disk) { d.flip(noneLog, 100) }, noneLog, 0, "CRC", false},
	{"a batch's base offset", func(d disk) { d.flip(noneLog, second(d, noneLog)+7) }, "/d/log-none-0/00000000000000000000.index", 0, "ends at offset", false},
	{"a batch's leader epoch", func(d disk) { d.flip(noneLog, second(d, noneLog)+12) }, noneLog, -2, "by leader-epoch-checkpoint", false},
	{"that of the first", func(d disk) { d.flip(noneLog, 15) }, noneLog, 0, "by leader-epoch-checkpoint", false},
	{"the sign of one", func(d disk) {
		d.edit(noneLog, func(b []byte) []byte { b[second(d, noneLog)+12] ^= 0x80; return b })
	}, noneLog, -2, "leader epoch -2147483648", false},
	{"a batch's length", func(d disk) { d.flip(noneLog, 8) }, noneLog, 0, "cannot be read", false},
	{"half of the last batch", func(d disk) { d.edit(noneLog, func(b []byte) []byte { return b[:len(b)-30] }) }, noneLog, -2, "ends", false},
	{"a torn tail after a crash", func(d disk) {
		d.must(d.Remove("/d/.kafka_cleanshutdown"))
		d.edit(noneLog, func(b []byte) []byte { return append(b, "torn"...) })
	}, noneLog, -2, "torn tail of 4 bytes", true},
	{"a batch twice", func(d disk) {
		d.edit(noneLog, func(b []byte) []byte { n := second(d, noneLog); return append(b[:n:n], b...) })
	}, noneLog, -2, "the one before ends at", false},
	{"an entry of the offset index", func(d disk) { d.flip(metaLog+".index", 7) }, metaLog + ".index", 0, "no batch begins at byte", false},
	{"an offset in it", func(d disk) { d.flip(metaLog+".index", 11) }, metaLog + ".index", 8, "not above the one before", true},
	{"half an entry", func(d disk) { d.edit(metaLog+".index", func(b []byte) []byte { return b[:12] }) }, metaLog + ".index", 8, "no whole entry", true},
	{"an index beyond the log", func(d disk) {
		d.edit(metaLog+".index", func(b []byte) []byte { return append(b, 0, 0, 255, 0, 0, 255, 0, 0) })
	}, metaLog + ".index", 16, "the batches end at", true},
	{"an index that is gone", func(d disk) { d.must(d.Remove(metaLog + ".index")) }, metaLog + ".index", -1, "missing", true},
	{"a timestamp of the time index", func(d disk) { d.flip(metaLog+".timeindex", 7) }, metaLog + ".timeindex", 0, "timestamp", false},
	{"an offset of the time index", func(d disk) { d.flip(metaLog+".timeindex", 11) }, metaLog + ".timeindex", 0, "timestamp", false},
	{"the last entry of the time index", func(d disk) {
		d.edit(metaLog+".timeindex", func(b []byte) []byte { return b[:len(b)-12] })
	}, metaLog + ".timeindex", 24, "the largest of the segment is", false},
	{"an index without its log", func(d disk) { d.write("/d/log-none-0/00000000000000000999.index", nil) }, "/d/log-none-0/00000000000000000999.index", -1, "without its .log", true},
	{"an entry of the transaction index", func(d disk) {
		d.edit(txnIndex, func(b []byte) []byte { return append(b[:34:34], b[68:]...) })
	}, txnIndex, 34, "no entry for producer", false},
	{"its last entry", func(d disk) {
		d.edit(txnIndex, func(b []byte) []byte { return b[:len(b)-34] })
	}, txnIndex, -2, "no entry for producer", false},
	{"all of it", func(d disk) { d.must(d.Remove(txnIndex)) }, txnIndex, 0, "no entry for producer", false},
	{"one too many", func(d disk) {
		d.edit(txnIndex, func(b []byte) []byte {
			e := bytes.Clone(b[len(b)-34:])
			binary.BigEndian.PutUint64(e[18:], binary.BigEndian.Uint64(e[18:])+1)
			return append(b, e...)
		})
	}, txnIndex, -2, "there is no such marker", false},
	{"its first offset", func(d disk) { d.flip(txnIndex, 17) }, txnIndex, 0, "", false},
	{"its last stable offset", func(d disk) { d.flip(txnIndex, 33) }, txnIndex, 0, "the batches say", false},
	{"half an entry of it", func(d disk) { d.edit(txnIndex, func(b []byte) []byte { return b[:len(b)-3] }) }, txnIndex, -2, "half an entry", false},
	{"a snapshot's checksum", func(d disk) { d.flip(snapshotOf(d, "/d/log-txn-0"), 30) }, "/d/log-txn-0", -2, "checksum", true},
	{"a producer of another state", func(d disk) { forge(d, snapshotOf(d, "/d/log-txn-0"), 10+13) }, "/d/log-txn-0", 10, "the batches say", false},
	{"a producer that never wrote", func(d disk) { forge(d, snapshotOf(d, "/d/log-none-0"), 10+7) }, "/d/log-none-0", 10, "no batch of it", false},
	{"a snapshot beyond the log", func(d disk) {
		d.write("/d/log-none-0/00000000000000009999.snapshot", d.read(snapshotOf(d, "/d/log-none-0")))
	}, "/d/log-none-0/00000000000000009999.snapshot", -1, "of a log that ends at", true},
	{"epochs that are not the batches'", func(d disk) { d.write("/d/log-none-0/leader-epoch-checkpoint", []byte("0\n1\n7 0\n")) }, "/d/log-none-0/leader-epoch-checkpoint", -1, "epoch 7 at offset 0", false},
	{"an epoch beyond the log", func(d disk) {
		d.write("/d/log-none-0/leader-epoch-checkpoint", []byte("0\n2\n0 0\n9 99999\n"))
	}, "/d/log-none-0/leader-epoch-checkpoint", -1, "the log ends at", false},
	{"epochs out of order", func(d disk) {
		d.write("/d/log-none-0/leader-epoch-checkpoint", []byte("0\n2\n3 0\n0 0\n"))
	}, "/d/log-none-0/leader-epoch-checkpoint", 0, "do not grow", false},
	{"a line of a checkpoint", func(d disk) { d.write(recoveryCp, []byte("0\n2\nlog-none 0 1\nlog-none 1\n")) }, recoveryCp, 17, "line 4", true},
	{"a recovery point beyond the log", func(d disk) { d.write(recoveryCp, []byte("0\n1\nlog-none 0 99999\n")) }, recoveryCp, -1, "records are missing", false},
	{"a partition that is not there", func(d disk) { d.write(recoveryCp, []byte("0\n1\nnobody 3 5\n")) }, recoveryCp, 4, "nobody-3 has an offset, but no folder here", true},
	{"the cleaner's offset", func(d disk) { d.write("/d/cleaner-offset-checkpoint", []byte("0\n1\nlog-compacted 0 99999\n")) }, "/d/cleaner-offset-checkpoint", -1, "was cleaned up to", true},
	{"two ids of a topic", func(d disk) {
		d.write("/d/log-none-1/partition.metadata", []byte("version: 0\ntopic_id: 5L6g3nShT-eMCtK--X86sw"))
	}, "/d/log-none-1/partition.metadata", 11, "topic_id is 5L6g3nShT-eMCtK--X86sw", false},
	{"two topics with an id", func(d disk) {
		d.write("/d/log-open-0/partition.metadata", d.read("/d/log-none-0/partition.metadata"))
	}, "/d/log-open-0/partition.metadata", 11, "is that of /d/log-none-0", false},
	{"a folder that is no partition's", func(d disk) { d.must(d.MkdirAll("/d/lost+found")) }, "/d/lost+found", -1, "stray folder", false},
	{"a file that nobody knows", func(d disk) { d.write("/d/core", nil) }, "/d/core", -1, "stray file", false},
	{"one in a partition", func(d disk) { d.write("/d/log-none-0/notes.txt", nil) }, "/d/log-none-0/notes.txt", -1, "stray file", false},
	{"no meta.properties", func(d disk) { d.must(d.Remove("/d/meta.properties")) }, "/d/meta.properties", -1, "not formatted", false},
	{"no version in it", func(d disk) { d.write("/d/meta.properties", []byte("node.id=1\n")) }, "/d/meta.properties", 0, "version", false},
	{"the election state", func(d disk) { d.write(electedIn, []byte(`{"leaderId":1`)) }, electedIn, 13, "unexpected end", false},
	{"no vote in it", func(d disk) { d.write(electedIn, []byte(`{"leaderId":1,"leaderEpoch":5,"data_version":0}`)) }, electedIn, 0, "votedId", false},
	{"an epoch older than the log", func(d disk) {
		d.write(electedIn, []byte(`{"leaderId":1,"leaderEpoch":0,"votedId":-1,"data_version":0}`))
	}, electedIn, 0, "batches of epoch", false},
	{"a mark of the metadata log", func(d disk) { d.write("/d/__cluster_metadata-0/high-watermark", []byte("0\nx\n")) }, "/d/__cluster_metadata-0/high-watermark", 0, "no version", false},
	{"one beyond its end", func(d disk) { d.write("/d/__cluster_metadata-0/high-watermark", []byte("0\n99999\n")) }, "/d/__cluster_metadata-0/high-watermark", -1, "records are missing", false},
	{"a torn tail below it", func(d disk) {
		d.must(d.Remove("/d/.kafka_cleanshutdown"))
		d.write("/d/__cluster_metadata-0/high-watermark", []byte("0\n154\n"))
		d.edit(metaLog+".log", func(b []byte) []byte { return b[:len(b)-10] })
	}, metaLog + ".log", -2, "batch ends after the log", false},
	{"a torn tail above it", func(d disk) {
		d.must(d.Remove("/d/.kafka_cleanshutdown"))
		d.write("/d/__cluster_metadata-0/high-watermark", []byte("0\n100\n"))
		d.edit(metaLog+".log", func(b []byte) []byte { return b[:len(b)-10] })
	}, metaLog + ".log", -2, "torn tail", true},
	{"a snapshot without footer", func(d disk) {
		d.edit(metaShot, func(b []byte) []byte { return b[:second(d, metaShot)] })
	}, metaShot, -2, "without a footer", false},
	{"a snapshot without header", func(d disk) {
		d.edit(metaShot, func(b []byte) []byte { return b[second(d, metaShot):] })
	}, metaShot, 0, "not contiguous", false},
	{"a bit of bootstrap.checkpoint", func(d disk) { d.flip("/d/bootstrap.checkpoint", 70) }, "/d/bootstrap.checkpoint", 0, "CRC", false},
	{"a mark without an epoch", func(d disk) { d.write("/d/.kafka_cleanshutdown", []byte("{}")) }, "/d/.kafka_cleanshutdown", 0, "brokerEpoch", true},
}

// second is where a log's second batch begins.
func second(d disk, name string) int { return 12 + int(binary.BigEndian.Uint32(d.read(name)[8:])) }

// snapshotOf is a folder's newest producer snapshot.
func snapshotOf(d disk, dir string) (name string) {
	names, err := d.ReadDir(dir)
	d.must(err)
	for _, e := range names {
		if strings.HasSuffix(e.Name, ".snapshot") {
			name = dir + "/" + e.Name
		}
	}
	return name
}

func TestPlantedDamage(t *testing.T) {
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			d := kafkas(t)
			p.plant(d)
			list := d.found("/d")
			if len(list) == 0 {
				t.Fatal("not found")
			}
			f := list[0]
			if !strings.HasPrefix(f.Path, p.file) || p.pos != -2 && f.Pos != p.pos || p.pos == -2 && f.Pos < 0 || !strings.Contains(f.Problem, p.problem) || f.Repairable != p.harmless {
				t.Fatalf("found %v", list)
			}
		})
	}
}
