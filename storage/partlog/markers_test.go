package partlog

import (
	"errors"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// TestMarkersFence: the coordinator epoch that a marker's record carries fences
// older coordinators, also after a restart, clean (from the snapshot) or by a kill
// (from the batches).
func TestMarkersFence(t *testing.T) {
	for _, clean := range []bool{true, false} {
		cfg := DefaultConfig()
		o := testOptions(vfs.NewMem(), testEnv(t), &cfg)
		l := mustOpen(t, o)
		mark := func(coordinator int32, want error) {
			t.Helper()
			if _, err := l.AppendAsLeader(txnEnd(1, 0, false, coordinator), 1, Coordinator, testNow); !errors.Is(err, want) {
				t.Fatalf("clean %v, coordinator epoch %d: %v, want %v", clean, coordinator, err, want)
			}
		}
		data := makeBatch(1, testNow-50, 10, 1, batch.Options{Producer: &batch.Producer{ID: 1}, Transactional: true})
		if _, err := l.AppendAsLeader(data, 1, Client, testNow); err != nil {
			t.Fatal(err)
		}
		mark(7, nil)
		if err := l.Close(clean); err != nil {
			t.Fatal(err)
		}
		o.CleanShutdown, o.RecoveryPoint = clean, l.RecoveryPoint()
		l = mustOpen(t, o)
		all, err := l.ActiveProducers()
		if want := (ProducerState{ProducerID: 1, LastTimestamp: testNow, CoordinatorEpoch: 7, CurrentTxnStartOffset: -1}); err != nil || len(all) != 1 || all[0] != want {
			t.Fatalf("clean %v: %+v, %v; want %+v", clean, all, err, want)
		}
		mark(6, producers.ErrCoordinatorFenced)
		mark(7, nil)
		mark(8, nil)
	}
}
