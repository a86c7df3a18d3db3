package runtime

import (
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// recordOverhead bounds what a record takes besides its key and value: the
// varints of its length, deltas, key, value and header count, and attributes.
const recordOverhead = 1 + 5 + 10 + 5 + 5 + 5 + 1

// sizeOf bounds the bytes of records in a batch.
func sizeOf(records []Record) int {
	n := 0
	for _, r := range records {
		n += recordOverhead + len(r.Key) + len(r.Value)
	}
	return n
}

// fitting is how many of the records, at least one, a batch of limit bytes holds.
func fitting(records []Record, limit int) int {
	size := batch.HeaderSize
	for n := range records {
		if size += sizeOf(records[n : n+1]); size > limit {
			return max(n, 1)
		}
	}
	return len(records)
}

// pendingReply is an operation in the gathering batch.
type pendingReply struct {
	done    func(now int64, err error)
	out     Outbox
	records bool // it fails when the batch does
}

// gathering is the batch of operations that are decided and not yet appended.
type gathering struct {
	codec   batch.Codec
	records []Record
	bytes   int
	scopes  map[string]bool // whose records are in it; false: all of them are Beside
	whole   bool            // records of the whole shard are in it
	waiting []pendingReply
	builder *batch.Builder
}

// touches tells whether an operation on scope must wait for the batch to be applied.
func (g *gathering) touches(scope string, beside bool) bool {
	if len(g.records) == 0 {
		return false
	}
	matters, dirty := g.scopes[scope]
	return scope == "" || g.whole || matters || dirty && !beside
}

// size bounds the batch's bytes before compression.
func (g *gathering) size() int { return batch.HeaderSize + g.bytes }

func (g *gathering) add(o Outcome, scope string) {
	if len(o.Records) > 0 {
		g.records = append(g.records, o.Records...)
		g.bytes += sizeOf(o.Records)
		if scope == "" {
			g.whole = true
		} else {
			if g.scopes == nil {
				g.scopes = map[string]bool{}
			}
			g.scopes[scope] = g.scopes[scope] || !o.Beside
		}
	}
	if o.Done != nil {
		g.waiting = append(g.waiting, pendingReply{o.Done, o.Out, len(o.Records) > 0})
	}
}

// build encodes the batch.
func (g *gathering) build(now int64) (batch.View, error) {
	opts := batch.Options{Codec: g.codec}
	if g.builder == nil {
		g.builder = batch.NewBuilder(opts)
	} else {
		g.builder.Reset(opts)
	}
	for _, r := range g.records {
		g.builder.Append(now, r.Key, r.Value, nil)
	}
	return g.builder.Bytes()
}

// fail ends the operations whose records could not be appended; the others stay.
func (g *gathering) fail(now int64, err error, posts *posts) {
	waiting := g.waiting
	g.waiting = nil
	for _, w := range waiting {
		if w.records {
			w.done(now, err)
			posts.add(w.out)
			continue
		}
		g.waiting = append(g.waiting, w)
	}
}

func (g *gathering) reset() {
	clear(g.records)
	clear(g.scopes)
	clear(g.waiting)
	g.records, g.waiting, g.bytes, g.whole = g.records[:0], g.waiting[:0], 0, false
}

// waiter is an operation that waits for its commit.
type waiter struct {
	offset   ids.Offset // committed when the high watermark is not below it
	deadline int64
	done     func(now int64, err error)
	out      Outbox
}

// posts are the outboxes that replies were put into and that have to send them.
type posts []Outbox

// add notes an outbox. Operations of one connection mostly follow each other.
func (p *posts) add(o Outbox) {
	if n := len(*p); o != nil && (n == 0 || (*p)[n-1] != o) {
		*p = append(*p, o)
	}
}

func (p *posts) send() {
	for _, o := range *p {
		o.Send()
	}
	clear(*p)
	*p = (*p)[:0]
}

// parked is the queue of waiters. Offsets and deadlines grow from front to back,
// so only the front is ever looked at.
type parked struct {
	queue []waiter
	front int
	posts posts // of the operations that have ended
}

func (p *parked) add(w waiter) { p.queue = append(p.queue, w) }

func (p *parked) due(hw ids.Offset) bool {
	return p.front < len(p.queue) && p.queue[p.front].offset <= hw
}

func (p *parked) deadline() (int64, bool) {
	if p.front == len(p.queue) {
		return 0, false
	}
	return p.queue[p.front].deadline, true
}

// release answers all that are committed.
func (p *parked) release(hw ids.Offset, now int64) {
	for p.due(hw) {
		p.end(now, nil)
	}
}

// timeOut answers those that waited too long.
func (p *parked) timeOut(now int64) {
	for p.front < len(p.queue) && p.queue[p.front].deadline <= now {
		p.end(now, ErrCommitTimeout)
	}
}

func (p *parked) shift(ms int64) {
	for i := p.front; i < len(p.queue); i++ {
		p.queue[i].deadline += ms
	}
}

func (p *parked) failAll(now int64, err error) {
	for p.front < len(p.queue) {
		p.end(now, err)
	}
}

// end answers the front.
func (p *parked) end(now int64, err error) {
	w := p.pop()
	w.done(now, err)
	p.posts.add(w.out)
}

// pop takes the front; the queue is moved up when half of it is gone.
func (p *parked) pop() waiter {
	w := p.queue[p.front]
	p.queue[p.front] = waiter{}
	p.front++
	if p.front == len(p.queue) {
		p.queue, p.front = p.queue[:0], 0
	} else if p.front >= 1024 && p.front*2 >= len(p.queue) {
		n := copy(p.queue, p.queue[p.front:])
		clear(p.queue[n:])
		p.queue, p.front = p.queue[:n], 0
	}
	return w
}
