package active

import (
	"sync"

	"github.com/gregorbroker/gregor/controller/image"
)

// publisher shows images to the publishers on its own goroutine, so that a slow
// one (opening a thousand logs) delays no commit.
type publisher struct {
	to   []image.Publisher
	mail chan struct{} // wakes the goroutine; room for one
	done chan struct{}

	mu     sync.Mutex // guards what follows; a leaf
	queue  []publication
	closed bool
}

func newPublisher(to []image.Publisher) *publisher {
	return &publisher{to: to, mail: make(chan struct{}, 1), done: make(chan struct{})}
}

// put queues a publication; it never waits. The queue holds images, which share
// nearly everything, so it may grow.
func (p *publisher) put(x publication) {
	p.mu.Lock()
	p.queue = append(p.queue, x)
	p.mu.Unlock()
	p.wake()
}

func (p *publisher) wake() {
	select {
	case p.mail <- struct{}{}:
	default:
	}
}

func (p *publisher) run() {
	defer close(p.done)
	for range p.mail {
		p.mu.Lock()
		queue, closed := p.queue, p.closed
		p.queue = nil
		p.mu.Unlock()
		for _, x := range queue {
			p.show(x)
		}
		if closed {
			return
		}
	}
}

func (p *publisher) show(x publication) {
	if x.delta != nil {
		for _, f := range p.to {
			f(x.delta, x.image)
		}
	}
	for _, reply := range x.replies {
		reply()
	}
}

// close shows what is queued and ends the goroutine.
func (p *publisher) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wake()
	<-p.done
}
