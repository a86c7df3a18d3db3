package partlog

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// TestAnyFailedSync: whichever file or directory a flush cannot sync, and whatever
// the kernel says of it, also that the disk or the quota is full, the log is not
// trusted again and nothing more counts as durable. A write that finds no room says
// "not now"; a sync that finds none has lost what was written before.
func TestAnyFailedSync(t *testing.T) {
	for _, where := range []vfs.Fault{
		{Op: vfs.OpSync, Name: ".log"}, {Op: vfs.OpSync, Name: ".txnindex"}, {Op: vfs.OpSync, Name: ".snapshot"},
		{Op: vfs.OpSync, Name: "leader-epoch-checkpoint"}, {Op: vfs.OpSyncDir},
	} {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT} {
			fsys := vfs.NewFaulty(vfs.NewMem())
			if err := fsys.MkdirAll("/data"); err != nil {
				t.Fatal(err)
			}
			cfg := DefaultConfig()
			l := mustOpen(t, testOptions(fsys, quietEnv(), &cfg))
			data := makeBatch(1, testNow, 10, 1, batch.Options{Producer: &batch.Producer{ID: 1}, Transactional: true})
			_, err1 := l.AppendAsLeader(data, 1, Client, testNow)
			_, err2 := l.AppendAsLeader(txnEnd(1, 0, true, 1), 1, Coordinator, testNow)
			if err := errors.Join(err1, err2, l.Roll()); err != nil {
				t.Fatal(err)
			}
			where.Err, where.Times = &fs.PathError{Op: "sync", Path: where.Name, Err: errno}, 1
			fsys.Set(where)
			if err := l.Flush(); !errors.Is(err, ErrFailed) || errors.Is(err, ErrDiskFull) {
				t.Errorf("%q, %v: the flush says %v", where.Name, errno, err)
			}
			_, rerr := l.Read(0, 1000, 2, true)
			if ferr := l.Flush(); l.RecoveryPoint() != 0 || !errors.Is(rerr, ErrFailed) || !errors.Is(ferr, ErrFailed) {
				t.Errorf("%q, %v: then durable up to %d, read %v, flush %v", where.Name, errno, l.RecoveryPoint(), rerr, ferr)
			}
		}
	}
}
