package forward

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Doer sends a request to the active controller; *Client is one.
type Doer interface {
	Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
}

// ProducerIDs hands out producer ids from blocks that the controller allocates.
// The next block is fetched before the present one is used up.
//
// Invariant: no id is handed out twice, in any process: a block belongs to this
// object alone, and next only grows within it.
type ProducerIDs struct {
	controller Doer
	broker     int32
	epoch      func() int64 // the broker's epoch
	timeout    time.Duration
	log        *zap.Logger

	mu       sync.Mutex
	next     int64 // next id of the present block
	end      int64 // one behind the present block
	prefetch int64 // when next reaches it, another block is fetched
	spare    [2]int64
	fetching bool
	waiting  []func(id int64, err error)
}

// NewProducerIDs makes an allocator without a block. epoch gives the epoch of
// the broker's registration.
func NewProducerIDs(controller Doer, broker int32, epoch func() int64, timeout time.Duration, log *zap.Logger) *ProducerIDs {
	if log == nil {
		log = zap.NewNop()
	}
	return &ProducerIDs{controller: controller, broker: broker, epoch: epoch, timeout: timeout, log: log}
}

// Next passes a fresh id to done: at once from a block in hand, otherwise when
// the controller has answered. The error means that the controller gave no
// block in time; Kafka then answers COORDINATOR_LOAD_IN_PROGRESS, which clients
// retry.
func (p *ProducerIDs) Next(done func(id int64, err error)) {
	p.mu.Lock()
	id, ok := p.takeLocked()
	if !ok {
		p.waiting = append(p.waiting, done)
	}
	fetch := !p.fetching && p.wantsLocked()
	p.fetching = p.fetching || fetch
	p.mu.Unlock()
	if fetch {
		go p.fetch()
	}
	if ok {
		done(id, nil)
	}
}

func (p *ProducerIDs) takeLocked() (int64, bool) {
	if p.next == p.end {
		p.useLocked(p.spare[0], p.spare[1])
		p.spare = [2]int64{}
	}
	if p.next == p.end {
		return 0, false
	}
	p.next++
	return p.next - 1, true
}

// useLocked makes [start, end) the present block. A tenth of it is left when
// the next one is fetched.
func (p *ProducerIDs) useLocked(start, end int64) {
	p.next, p.end, p.prefetch = start, end, end-(end-start)/10
}

func (p *ProducerIDs) wantsLocked() bool {
	return p.spare[0] == p.spare[1] && p.next >= p.prefetch
}

// fetch gets one block and serves who waits. It runs while fetching is true and
// clears that in the critical section in which it looks at waiting for the last
// time, so nobody waits with no fetch on its way.
func (p *ProducerIDs) fetch() {
	for {
		start, end, err := p.allocate()
		if err != nil {
			p.log.Warn("no block of producer ids from the controller", zap.Error(err))
		}
		served, again := p.serve(start, end, err)
		for _, s := range served {
			s.done(s.id, s.err)
		}
		if !again {
			return
		}
	}
}

type servedID struct {
	done func(int64, error)
	id   int64
	err  error
}

// serve takes a block in, or its failure, and says what to tell those who wait;
// again when the block did not suffice for all of them.
func (p *ProducerIDs) serve(start, end int64, err error) (served []servedID, again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.spare = [2]int64{start, end}
	}
	for len(p.waiting) > 0 {
		id, ok := p.takeLocked()
		if !ok && err == nil {
			return served, true
		}
		s := servedID{done: p.waiting[0], id: id}
		if !ok {
			s.err = err
		}
		served, p.waiting = append(served, s), p.waiting[1:]
	}
	p.fetching = false
	return served, false
}

func (p *ProducerIDs) allocate() (start, end int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	resp, err := p.controller.Do(ctx, &kmsg.AllocateProducerIDsRequest{BrokerID: p.broker, BrokerEpoch: p.epoch()})
	if err != nil {
		return 0, 0, err
	}
	r, ok := resp.(*kmsg.AllocateProducerIDsResponse)
	if !ok {
		return 0, 0, fmt.Errorf("answered with %T", resp)
	}
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		return 0, 0, err
	}
	start, end = r.ProducerIDStart, r.ProducerIDStart+int64(r.ProducerIDLen)
	p.mu.Lock()
	last := p.end
	p.mu.Unlock()
	if start < last || end <= start {
		return 0, 0, fmt.Errorf("block [%d, %d) does not follow %d", start, end, last)
	}
	return start, end, nil
}
