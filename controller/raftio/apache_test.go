package raftio

import (
	"bytes"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// apacheFolder copies a folder that Apache Kafka 4.3.1 wrote: a standalone quorum that
// was formatted, started, given a topic of three partitions, and stopped.
func apacheFolder(t *testing.T) *vfs.Mem {
	t.Helper()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("/data/__cluster_metadata-0"); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir("testdata/apache-4.3.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		b, err := os.ReadFile("testdata/apache-4.3.1/" + e.Name())
		if err == nil && e.Name() != "bootstrap.checkpoint" {
			err = writeWhole(fs, "/data/__cluster_metadata-0/"+e.Name(), b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return fs
}

func writeWhole(fs vfs.FS, name string, b []byte) error {
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	f.Close()
	return err
}

func apacheOptions(t *testing.T, fs vfs.FS, rec *recorder) Options {
	t.Helper()
	dir, err := ids.ParseUUID("MkS4U0CFRvG8cTGnXZAwPQ")
	if err != nil {
		t.Fatal(err)
	}
	o := testOptions(fs, rec)
	o.StaticVoters, o.DirectoryID = nil, ids.DirectoryID(dir)
	o.Endpoints = []raft.Endpoint{{Name: "CONTROLLER", Host: "localhost", Port: 21301}}
	return o
}

func TestFolderOfApacheKafkaOpens(t *testing.T) {
	rec := newRecorder()
	n := startNode(t, apacheOptions(t, apacheFolder(t), rec))
	rec.wait(t, "leadership", leads(rec))
	set, kraft := n.Voters()
	if kraft != 1 || set.String() != "[1@MkS4U0CFRvG8cTGnXZAwPQ]" || rec.leader.Epoch != 2 {
		t.Fatalf("kraft.version %d, voters %v, leader %v", kraft, set, rec.leader)
	}
	if len(rec.records) != 38 || rec.offsets[0] != 3 {
		t.Fatalf("%d records from offset %d on", len(rec.records), rec.offsets[0])
	}
	topics := 0
	for _, r := range rec.records {
		if strings.HasPrefix(r, "\x01\x02\x00\x02a") { // frame 1, TopicRecord version 0, name "a"
			topics++
		}
	}
	if topics != 1 {
		t.Fatalf("topic a was created %d times", topics)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// What Apache Kafka wrote decodes to what encodes to the same bytes again.
func TestControlRecordsHaveApachesBytes(t *testing.T) {
	for _, name := range []string{"00000000000000000000.log", "00000000000000000000-0000000000.checkpoint", "bootstrap.checkpoint"} {
		data, err := os.ReadFile("testdata/apache-4.3.1/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; len(data) > 0; at++ {
			v, rest, err := batch.Next(data)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if data = rest; !v.IsControl() {
				continue
			}
			c, err := parseControl(v)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if lc := c.LeaderChange; lc != nil {
				lc.Voters, lc.Granting = []ids.NodeID{1}, []ids.NodeID{1}
			}
			b := batch.NewBuilder(batch.Options{BaseOffset: v.BaseOffset(), LeaderEpoch: v.LeaderEpoch(), Control: true})
			if c.header != nil {
				b.AppendControl(v.MaxTimestamp(), batch.ControlSnapshotHeader, c.header.AppendTo(nil, 0))
			}
			appendControls(b, &c.Control, v.MaxTimestamp())
			if c.footer {
				b.AppendControl(v.MaxTimestamp(), batch.ControlSnapshotFooter, (&batch.SnapshotFooter{}).AppendTo(nil, 0))
			}
			if ours, _ := b.Bytes(); !bytes.Equal(ours, v) {
				t.Errorf("%s, batch %d:\n ours   %x\n theirs %x", name, at, []byte(ours), []byte(v))
			}
		}
	}
}

// The file that `format` makes for a standalone node, byte for byte.
func TestSnapshotHasApachesBytes(t *testing.T) {
	name := "00000000000000000000-0000000000.checkpoint"
	want, err := os.ReadFile("testdata/apache-4.3.1/" + name)
	if err != nil {
		t.Fatal(err)
	}
	fs := apacheFolder(t)
	r, err := OpenSnapshot(fs, "/data/__cluster_metadata-0/"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// The footer's timestamp is the one thing that differs: Apache's is that of its own batch.
	o := SnapshotOptions{FS: fs, Path: "/data/again.checkpoint", AppendTime: r.AppendTime(), Now: 1795332439062, KRaftVersion: r.KRaftVersion(), Voters: r.Voters()}
	if err := WriteSnapshotFile(o, func(func([]byte) bool) {}); err != nil {
		t.Fatal(err)
	}
	got, err := vfs.ReadFile(fs, o.Path, 1<<20)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d bytes, Apache's file has %d: %v", len(got), len(want), err)
	}
	head, _, _ := batch.Next(want)
	if !bytes.Equal(got[:head.Len()], head) {
		t.Errorf("header:\n ours   %x\n theirs %x", got[:head.Len()], []byte(head))
	}
}

func TestQuorumStateOfApacheKafka(t *testing.T) {
	for _, c := range []struct {
		file   string
		kraft  int16
		voters int
	}{{"apache-4.3.1/quorum-state", 1, 1}, {"quorum-state-v0", 0, 3}} {
		b, err := os.ReadFile("testdata/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		h, err := decodeQuorumState(b)
		if err != nil {
			t.Fatal(err)
		}
		var vs []raft.Voter
		for i := 1; i <= c.voters; i++ {
			vs = append(vs, raft.Voter{Key: raft.ReplicaKey{ID: ids.NodeID(i)}})
		}
		set, _ := raft.NewVoterSet(vs...)
		if again := encodeQuorumState(h, c.kraft, set); !bytes.Equal(again, b) {
			t.Errorf("%s:\n ours   %s\n theirs %s", c.file, again, b)
		}
	}
}

func FuzzQuorumState(f *testing.F) {
	f.Add([]byte(`{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`))
	f.Add([]byte(`{"clusterId":"","leaderId":1,"leaderEpoch":3,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeQuorumState(b)
		if err != nil {
			return
		}
		kraft := int16(0)
		if !h.Voted.Directory.IsZero() {
			kraft = 1
		}
		again, err := decodeQuorumState(encodeQuorumState(h, kraft, raft.VoterSet{}))
		if err != nil || again != h {
			t.Fatalf("%+v became %+v: %v", h, again, err)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	for _, name := range []string{"00000000000000000000-0000000000.checkpoint", "bootstrap.checkpoint"} {
		b, err := os.ReadFile(path.Join("testdata/apache-4.3.1", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := vfs.NewMem()
		if err := writeWhole(fs, "/x.checkpoint", b); err != nil {
			t.Fatal(err)
		}
		r, err := OpenSnapshot(fs, "/x.checkpoint")
		if err != nil {
			return
		}
		defer r.Close()
		if r.check() == nil && int64(len(b)) != r.Size() {
			t.Fatal("a file with something behind its footer was taken")
		}
	})
}

// FuzzEntries: whatever a leader sends, only whole and undamaged batches come of it.
func FuzzEntries(f *testing.F) {
	b, err := os.ReadFile("testdata/apache-4.3.1/00000000000000000000.log")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-5])
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, _ := parseEntries(b)
		for _, e := range entries {
			if e.Last < e.Base || batch.View(e.Data).VerifyCRC() != nil {
				t.Fatalf("entry %d-%d", e.Base, e.Last)
			}
		}
	})
}
