package partlog

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// TestFlushMessagesComesBeforeTheAnswer: with flush.messages=n a power cut right
// behind an append that was answered takes fewer than n records, with 1 none. No
// Tick is waited for, and an altered value counts for the next append.
func TestFlushMessagesComesBeforeTheAnswer(t *testing.T) {
	for _, follower := range []bool{false, true} {
		for _, n := range []int64{1, 3} {
			mem := vfs.NewMem()
			if err := errors.Join(mem.MkdirAll("/data"), mem.SyncDir("/")); err != nil {
				t.Fatal(err)
			}
			cfg := DefaultConfig()
			l := mustOpen(t, testOptions(mem, quietEnv(), &cfg))
			appendOne(t, l, follower)
			if survivors(t, mem, l, &cfg) != 0 {
				t.Fatal("what was never flushed survives: this disk proves nothing")
			}
			altered := cfg
			altered.FlushMessages, altered.SegmentBytes = n, 300 // some appends roll
			l.SetConfig(&altered)
			for range 12 {
				appendOne(t, l, follower)
				if got, end := survivors(t, mem, l, &cfg), l.EndOffset(); got <= end-ids.Offset(n) {
					t.Fatalf("flush.messages %d, follower %v: %d records were answered, %d survive", n, follower, end, got)
				}
			}
		}
	}
}

// TestFlushMessagesWithoutRoom: where a flush finds no room for what it writes beside
// the batches, they are durable all the same, and the append is answered; the rest
// follows when there is room. Where their names cannot be synced the log has failed:
// it holds a batch that nobody may be told of.
func TestFlushMessagesWithoutRoom(t *testing.T) {
	mem := vfs.NewMem()
	fsys := vfs.NewFaulty(mem)
	if err := errors.Join(fsys.MkdirAll("/data"), fsys.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.FlushMessages = 1
	l := mustOpen(t, testOptions(fsys, quietEnv(), &cfg))
	fsys.Set(vfs.Fault{Op: vfs.OpWrite, Name: "leader-epoch-checkpoint", Err: vfs.ErrNoSpace})
	for range 3 {
		appendOne(t, l, false)
		if got := survivors(t, mem, l, &cfg); got != l.EndOffset() || l.RecoveryPoint() != 0 || l.Err() != nil {
			t.Fatalf("%d of %d records survive, durable up to %d, %v", got, l.EndOffset(), l.RecoveryPoint(), l.Err())
		}
	}
	fsys.Set()
	appendOne(t, l, false)
	if l.RecoveryPoint() != 4 {
		t.Fatal("with room again:", l.RecoveryPoint())
	}
	if err := l.Roll(); err != nil {
		t.Fatal(err)
	}
	fsys.Set(vfs.Fault{Op: vfs.OpSyncDir, Err: syscall.EMFILE})
	if _, err := l.AppendAsLeader(makeBatch(1, testNow, 10, 1, batch.Options{}), 1, Client, testNow); !errors.Is(err, ErrFailed) || l.Err() == nil {
		t.Fatal("a new file whose name nobody could sync:", err)
	}
}

func appendOne(t *testing.T, l *Log, follower bool) {
	t.Helper()
	b := batch.View(makeBatch(1, testNow, 60, int64(l.EndOffset()), batch.Options{}))
	var err error
	if follower {
		b.SetBaseOffset(l.EndOffset())
		b.SetLeaderEpoch(1)
		_, err = l.AppendAsFollower(b, 1)
	} else {
		_, err = l.AppendAsLeader(b, 1, Client, testNow)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// survivors is where the log ends after a power cut that takes all it can.
func survivors(t *testing.T, mem *vfs.Mem, l *Log, cfg *Config) ids.Offset {
	t.Helper()
	again := mustOpen(t, testOptions(mem.CrashClone(0, rand.New(rand.NewPCG(1, 1))), quietEnv(), cfg))
	defer again.Close(false)
	return again.EndOffset()
}

// TestFlushMessagesFails: who asked for records on disk hears of a sync that failed.
func TestFlushMessagesFails(t *testing.T) {
	fsys := vfs.NewFaulty(vfs.NewMem())
	if err := fsys.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.FlushMessages = 1
	l := mustOpen(t, testOptions(fsys, quietEnv(), &cfg))
	appendOne(t, l, false)
	fsys.Set(vfs.Fault{Op: vfs.OpSync, Name: ".log", Times: 1, Err: errors.New("medium error")})
	if _, err := l.AppendAsLeader(makeBatch(1, testNow, 10, 1, batch.Options{}), 1, Client, testNow); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
}
