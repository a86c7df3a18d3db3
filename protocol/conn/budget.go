package conn

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// budget bounds the request bytes that all connections hold at one time. A nil
// budget has no bound. Waiters are served in order, so that a large frame is
// not starved by small ones.
type budget struct {
	sem   *semaphore.Weighted
	limit int64
}

func newBudget(limit int64) *budget {
	if limit <= 0 {
		return nil
	}
	return &budget{semaphore.NewWeighted(limit), limit}
}

// acquire claims n bytes, or the whole budget if it is smaller than n, and
// returns what release must be given: nothing when ctx ended first. Before it
// waits it calls waits.
func (b *budget) acquire(ctx context.Context, n int64, waits func()) (int64, error) {
	if b == nil {
		return 0, nil
	}
	n = min(n, b.limit)
	if b.sem.TryAcquire(n) {
		return n, nil
	}
	waits()
	if err := b.sem.Acquire(ctx, n); err != nil {
		return 0, err
	}
	return n, nil
}

func (b *budget) release(n int64) {
	if b != nil && n > 0 {
		b.sem.Release(n)
	}
}
