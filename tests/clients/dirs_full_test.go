//go:build linux

package clients

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// smallDisk is a file system of its own of the given size. Where mounting is not
// permitted the test is skipped.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fullDisk is a node whose only directory lies on a small disk.
type fullDisk struct {
	*testing.T
	*Dirs
	ctx   context.Context
	disk  string
	acked int // records of topic full that were acknowledged
}

func (f *fullDisk) try() string {
	f.Helper()
	got, err := f.produce(f.ctx, "full", 0, 100_000)
	if err != nil {
		f.Fatal(err)
	}
	if got == "ok" {
		f.acked++
	}
	return got
}

// fill produces until that is refused.
func (f *fullDisk) fill() {
	f.Helper()
	for range 1000 {
		if got := f.try(); got == "KAFKA_STORAGE_ERROR" {
			return
		} else if got != "ok" {
			f.Fatal(got)
		}
	}
	f.Fatal("the disk never was full")
}

// taken waits until records are taken again.
func (f *fullDisk) taken() {
	f.Helper()
	if err := until(f.ctx, "room", func() (bool, error) { return f.try() == "ok", nil }); err != nil {
		f.Fatal(err)
	}
}

// online checks that no directory went offline and the process lives.
func (f *fullDisk) online(when string) {
	f.Helper()
	_, resp, err := f.lies(f.ctx)
	if err != nil || resp.Dirs[0].ErrorCode != 0 || !f.srv.Alive() {
		f.Fatalf("%s: %v, directory %s\n%s", when, err, code(resp.Dirs[0].ErrorCode), f.srv.Output())
	}
}

// A disk that clients fill refuses their records before it is full; reading,
// deleting, group commits and new topics go on, and records are taken again when
// there is room. Even a disk that others fill to the last byte takes nothing
// offline, and nothing that was acknowledged is lost, by a kill neither.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, "24m")
	srv, err := node.Run(gregor(t), map[string]string{"log.dirs": filepath.Join(disk, "data"), "log.segment.bytes": "1048576", "log.segment.delete.delay.ms": "0",
		"log.retention.check.interval.ms": "200"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	f := &fullDisk{T: t, Dirs: &Dirs{srv: srv}, ctx: ctx, disk: disk}
	if err := errors.Join(f.connect(ctx), f.create(ctx, "full", 1), f.begin(ctx, "full", 0)); err != nil {
		t.Fatal(err)
	}
	defer func() { f.cl.Close() }()
	f.acked = 1
	f.fill()
	f.whileFull()
	f.filler()
	f.room()
	before := f.acked
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(srv.Start(), f.connect(ctx)); err != nil {
		t.Fatal(err)
	}
	if start, end := f.ends(); end != int64(before) || start == 0 {
		t.Fatalf("after a kill the log is [%d, %d), %d were acknowledged", start, end, before)
	}
	f.taken()
	f.fill()
	if _, err := kadm.NewClient(f.cl).DeleteTopics(ctx, "full"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.create(ctx, "again", 1), f.begin(ctx, "again", 0)); err != nil {
		t.Fatal("after the topic was deleted:", err)
	}
	f.online("at the end")
}

// whileFull checks what goes on while clients' records are refused.
func (f *fullDisk) whileFull() {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(f.disk, &fs); err != nil || fs.Bavail == 0 {
		f.Fatal("nothing was kept back", err)
	}
	f.online("full")
	if n, err := f.count(f.ctx, "full", 0); err != nil || n != f.acked {
		f.Fatalf("%d of %d records can be read: %v", n, f.acked, err)
	}
	adm := kadm.NewClient(f.cl)
	if err := until(f.ctx, "a group's commit", func() (bool, error) {
		resp, err := adm.CommitOffsets(f.ctx, "readers", kadm.OffsetsFromRecords(kgo.Record{Topic: "full", Offset: 3}))
		return err == nil && resp.Error() == nil, nil
	}); err != nil {
		f.Fatal(err)
	}
	if err := f.create(f.ctx, "new", 1); err != nil {
		f.Fatal("a new topic:", err)
	}
}

// filler fills the disk to the last byte from outside.
func (f *fullDisk) filler() {
	name := filepath.Join(f.disk, "filler")
	w, err := os.Create(name)
	if err != nil {
		f.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = w.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		f.Fatal(err)
	}
	for range 20 {
		if got := f.try(); got != "KAFKA_STORAGE_ERROR" {
			f.Fatal(got)
		}
	}
	if err := until(f.ctx, "the broker to see it", func() (bool, error) {
		return strings.Contains(f.srv.Output(), "a log directory is full and takes no more records at all"), nil
	}); err != nil {
		f.Fatal(err)
	}
	if n, err := f.count(f.ctx, "full", 0); err != nil || n != f.acked {
		f.Fatalf("%d of %d records can be read: %v", n, f.acked, err)
	}
	f.online("filled from outside")
	if err := errors.Join(w.Close(), os.Remove(name)); err != nil {
		f.Fatal(err)
	}
}

// room deletes records, and retention makes room of it.
func (f *fullDisk) room() {
	req := kmsg.NewPtrDeleteRecordsRequest()
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic = "full"
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = 0, int64(f.acked-20)
	t.Partitions = append(t.Partitions, p)
	req.Topics, req.TimeoutMillis = append(req.Topics, t), 10_000
	resp, err := f.ask(f.ctx, req)
	if err != nil {
		f.Fatal(err)
	}
	if out := resp.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]; out.ErrorCode != 0 || out.LowWatermark != int64(f.acked-20) {
		f.Fatalf("%+v", out)
	}
	f.taken()
	f.online("with room")
}

func (f *fullDisk) ends() (start, end int64) {
	f.Helper()
	adm := kadm.NewClient(f.cl)
	s, err1 := adm.ListStartOffsets(f.ctx, "full")
	e, err2 := adm.ListEndOffsets(f.ctx, "full")
	if err := errors.Join(err1, err2); err != nil {
		f.Fatal(err)
	}
	first, _ := s.Lookup("full", 0)
	last, _ := e.Lookup("full", 0)
	return first.Offset, last.Offset
}
