package runtime

import "sync"

// maxWorkers is how many goroutines wait for work; more run when there is more.
const maxWorkers = 4

// workers are goroutines that run shards, one after another. Deciding, appending
// and answering needs a deep stack, and a goroutine that is new for every run
// spends a fifth of its time growing one.
type workers[M Machine] struct {
	jobs   chan *shard[M] // unbuffered: taken only by a worker that waits
	spaces chan struct{}  // one token a worker that waits
	closed chan struct{}
	once   *sync.Once
}

func newWorkers[M Machine]() workers[M] {
	return workers[M]{jobs: make(chan *shard[M]), spaces: make(chan struct{}, maxWorkers), closed: make(chan struct{}), once: new(sync.Once)}
}

// start runs the shard on a worker that waits, or on a new one.
func (w *workers[M]) start(s *shard[M]) {
	select {
	case w.jobs <- s:
	default:
		go w.work(s)
	}
}

func (w *workers[M]) work(s *shard[M]) {
	for {
		s.run()
		select {
		case w.spaces <- struct{}{}:
		default:
			return
		}
		select {
		case s = <-w.jobs:
			<-w.spaces
		case <-w.closed:
			return
		}
	}
}

// close ends the workers that wait; no shard is running any more.
func (w *workers[M]) close() { w.once.Do(func() { close(w.closed) }) }
