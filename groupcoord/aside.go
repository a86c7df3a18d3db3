package groupcoord

import (
	"sync"
	"sync/atomic"

	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
)

// aside is work that takes too long for a shard's goroutine, on which the
// heartbeats of all its groups wait. What is beyond most waits its turn without a
// goroutine: when a topic is made, every group with a regular expression looks at
// all topics.
type aside struct {
	most    int
	stopped atomic.Bool // asked by the work itself, often
	ended   sync.WaitGroup

	mu      sync.Mutex // a leaf
	running int
	queue   []func()
}

// do runs f soon, on another goroutine, unless it was stopped.
func (a *aside) do(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stopped.Load():
	case a.running == a.most:
		a.queue = append(a.queue, f)
	default:
		a.running++
		a.ended.Go(func() { a.work(f) })
	}
}

func (a *aside) work(f func()) {
	for ; f != nil; f = a.next() {
		f()
	}
}

// next is what to do next, or nil: then the caller ends.
func (a *aside) next() func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 || a.stopped.Load() {
		a.running--
		return nil
	}
	f := a.queue[0]
	a.queue[0] = nil
	a.queue = a.queue[1:]
	return f
}

// stop drops what has not begun, and waits for what has.
func (a *aside) stop() {
	a.mu.Lock()
	a.stopped.Store(true)
	a.queue = nil
	a.mu.Unlock()
	a.ended.Wait()
}

// search matches a group's regular expressions beside the shard. What it finds
// comes back as an operation of the group; a shard that was loaded since knows
// nothing of the search, and has begun one of its own.
func (sh *shard) search(x *consumer.Search) {
	sh.s.aside.do(func() {
		if !x.Run(sh.s.aside.stopped.Load) {
			return
		}
		sh.s.do(x.Group(), func(sh *shard, now int64) runtime.Outcome {
			return sh.decided(sh.consumers.Found(x, sh.moment(now)), nil)
		}, func(error) {})
	})
}
