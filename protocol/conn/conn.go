package conn

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/frame"
)

// Bounds of one connection's reply queue. The reader stops reading while
// either is reached: a client that does not take its replies gets no more work
// done. 256 is far above the 5 that Java clients keep in flight.
const (
	maxQueuedCalls = 256
	maxQueuedBytes = 64 << 20
)

// Conn is one accepted connection.
type Conn struct {
	srv    *Server
	ln     *listener
	nc     net.Conn
	raw    syscall.RawConn // of a plain TCP connection where sendfile exists, else nil
	in     input
	out    output
	header frame.Header // of the last request; the reader's
	// software is the client's name and version as it told them; the reader's.
	software [2]string
	// authenticated is true from the start on listeners that authenticate nobody.
	authenticated atomic.Bool
	act           activity

	mu sync.Mutex
	// changed is signalled when the reader may have to look again: a call is
	// done, the queue got shorter, or the connection ended.
	changed sync.Cond
	// queue holds the calls not yet written, in request order.
	queue []*Call
	// pending counts reply bytes in the queue.
	pending int
	// writing: a goroutine is inside flush. Only that one takes from the queue.
	writing bool
	// reading: the reader will flush before it waits for anything, so that
	// finishing a call inside Handle need not start a writer.
	reading bool
	// waiting: a request was read and waits for the calls in the queue.
	waiting bool
	// condemned: a call wants the connection closed; nothing more is read.
	condemned bool
	draining  bool // the server shuts down; nothing more is read
	// finished: the peer said that it sends nothing more (it may still read):
	// what it asked before is answered, as Kafka does. Its held calls are let go.
	finished bool
	ended    bool
	onEnd    []func() // called once, when ended
}

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// LocalAddr is the address the peer connected to.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// SetAuthenticated lifts Limits.MaxFrameUnauthenticated.
func (c *Conn) SetAuthenticated() { c.authenticated.Store(true) }

func (c *Conn) maxFrame() int32 {
	if c.authenticated.Load() {
		return c.ln.limits.MaxFrame
	}
	return c.ln.limits.MaxFrameUnauthenticated
}

// serve is the reader goroutine.
func (c *Conn) serve() {
	defer c.srv.forget(c)
	err := c.readCalls()
	if err == io.EOF || err == io.ErrUnexpectedEOF { // also in the middle of a frame
		c.finishPeer()
	}
	c.drain()
	c.end(err)
}

func (c *Conn) readCalls() error {
	for {
		call, err := c.nextCall()
		if err != nil {
			return c.refuse(err)
		}
		if !c.admit(call) {
			call.letGo(c.srv.budget)
			return errCondemned
		}
		c.handle(call)
		c.handled(call)
	}
}

// refuse ends the reading. A frame that cannot be a request closes the connection
// in its turn: what was asked before it is answered first, as in Kafka.
func (c *Conn) refuse(err error) error {
	if !refused(err) {
		return err
	}
	if call := (&Call{Listener: c.ln.name, Conn: c}); c.admit(call) {
		call.Close(err)
	}
	return errCondemned
}

// handled gives back the budget of a call that waits for something, as Kafka
// does: that may be a request which the budget keeps from being read. A Produce
// keeps it for as long as its pooled memory.
func (c *Conn) handled(call *Call) {
	if call.Header.Key != apikey.Produce {
		c.srv.budget.release(call.claimed.Swap(0))
	}
}

var errCondemned = errors.New("closed by a request's answer or by shutdown")

// admit waits until call may be handled and puts it into the queue. It returns
// false when the connection reads no more.
func (c *Conn) admit(call *Call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.condemned && !c.draining && !c.ended && c.mustWait() {
		c.waitForChange(true)
	}
	if c.condemned || c.draining || c.ended {
		return false
	}
	c.queue = append(c.queue, call)
	c.reading = true
	return true
}

// mustWait tells whether the next request has to wait for those in the queue.
func (c *Conn) mustWait() bool {
	n := len(c.queue)
	if n == 0 {
		return false
	}
	last := c.queue[n-1]
	return n >= maxQueuedCalls || c.pending >= maxQueuedBytes || !last.done && last.class != apikey.TwoStage
}

// waitForChange flushes what the reader owes, pokes a held call when a request
// waits behind it, and then waits. Called and returns with mu held.
func (c *Conn) waitForChange(request bool) {
	if c.reading {
		c.yieldLocked()
		return // the world may have changed meanwhile
	}
	if request {
		if f := c.takeNotifyLocked(); f != nil {
			c.waiting = true // who wants to hold the call again meanwhile must hear of it
			c.mu.Unlock()
			f(NextRequest)
			c.mu.Lock()
			c.waiting = false
			return
		}
	}
	c.waiting = request
	c.changed.Wait()
	c.waiting = false
}

// takeNotifyLocked returns the hook of the call that others wait for: the last
// one admitted, as everything before it is done or two-stage.
func (c *Conn) takeNotifyLocked() func(Event) {
	if len(c.queue) == 0 {
		return nil
	}
	last := c.queue[len(c.queue)-1]
	f := last.notify
	if last.done {
		return nil
	}
	last.notify = nil
	return f
}

// yield ends the reader's promise to flush; it is called before the reader
// waits for the network.
func (c *Conn) yield() {
	if !c.reading { // only the reader sets it: no lock needed to see our own write
		return
	}
	c.mu.Lock()
	c.yieldLocked()
	c.mu.Unlock()
}

func (c *Conn) yieldLocked() {
	c.reading = false
	if c.headDone() && !c.writing {
		c.writing = true
		c.mu.Unlock()
		c.flush()
		c.mu.Lock()
	}
}

// Flush writes the replies that are due. A handler may call it, on the goroutine
// of Handle, after it has replied and before it does other work.
func (c *Conn) Flush() {
	c.mu.Lock()
	start := c.headDone() && !c.writing
	c.writing = c.writing || start
	c.mu.Unlock()
	if start {
		c.flush()
	}
}

func (c *Conn) headDone() bool { return len(c.queue) > 0 && c.queue[0].done }

// Send writes the replies that are due and not written yet (ReplyLater), like
// Reply: never blocking, here if the socket takes them at once.
func (c *Conn) Send() {
	c.mu.Lock()
	start := c.headDone() && !c.writing && !c.reading // the reader flushes, before it waits
	c.writing = c.writing || start
	c.mu.Unlock()
	if start {
		c.startFlush(atOnce)
	}
}

// haste is how replies whose turn has come are to be written.
type haste uint8

const (
	byWriter haste = iota // by a goroutine of their own
	atOnce                // right here, as far as the socket takes them without waiting
	bySend                // not yet: Conn.Send follows
)

// finish queues a call's outcome and sees that somebody writes it, unless Send will.
func (c *Conn) finish(call *Call, h haste) {
	call.letGo(c.srv.budget)
	size := 0
	if call.out != nil {
		size = len(call.out.mem)
	}
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		call.discard()
		return
	}
	call.done, call.notify = true, nil
	c.pending += size
	c.condemned = c.condemned || call.hangUp
	start := h != bySend && c.headDone() && !c.writing && !c.reading
	if start {
		c.writing = true
	}
	c.changed.Signal()
	c.mu.Unlock()
	if start {
		c.startFlush(h)
	}
}

// startFlush has the replies written that are due; the caller has set writing.
func (c *Conn) startFlush(h haste) {
	if h == atOnce && c.raw != nil {
		c.tryFlush()
		return
	}
	go c.flush()
}

// watch implements Call.Notify.
func (c *Conn) watch(call *Call, f func(Event)) {
	c.mu.Lock()
	ev := Event(0)
	switch {
	case call.done:
		c.mu.Unlock()
		return
	case c.ended || c.finished:
		ev = Closed
	case c.draining:
		ev = ShuttingDown
	case c.waiting && call == c.queue[len(c.queue)-1]:
		ev = NextRequest
	default:
		call.notify = f
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	f(ev)
}

// finishPeer lets go of what is held for a peer that sends nothing more: almost
// always it is gone altogether.
func (c *Conn) finishPeer() {
	c.mu.Lock()
	c.finished = true
	hooks := c.hooksLocked()
	c.mu.Unlock()
	for _, f := range hooks {
		f(Closed)
	}
}

// drain waits until every call that was admitted is finished and written, or
// the connection is found dead. A connection that broke is not waited for: its
// held calls are told when it ends.
func (c *Conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for (c.condemned || c.draining || c.finished) && !c.ended && (len(c.queue) > 0 || c.writing) {
		c.waitForChange(false)
	}
}

// beginDrain makes the reader stop and answers held calls.
func (c *Conn) beginDrain() {
	c.mu.Lock()
	c.draining = true
	hooks := c.hooksLocked()
	c.changed.Signal()
	c.mu.Unlock()
	for _, f := range hooks {
		f(ShuttingDown)
	}
	c.nc.SetReadDeadline(time.Unix(1, 0)) // wakes a reader that waits for a request
}

func (c *Conn) hooksLocked() (hooks []func(Event)) {
	for _, call := range c.queue {
		if call.notify != nil {
			hooks = append(hooks, call.notify)
			call.notify = nil
		}
	}
	return hooks
}

// end closes the connection and gives back what it holds. Calls still out are
// discarded when they are finished. Only the first err counts.
func (c *Conn) end(err error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	hooks, watchers := c.hooksLocked(), c.onEnd
	c.onEnd = nil
	var dead []*Call
	for _, call := range c.queue {
		if call.done {
			dead = append(dead, call)
		}
	}
	c.queue = nil
	c.changed.Broadcast()
	c.mu.Unlock()
	c.nc.Close()
	for _, call := range dead {
		call.discard()
	}
	for _, f := range hooks {
		f(Closed)
	}
	for _, f := range watchers {
		f()
	}
	c.srv.ended(c, err)
}

// OnEnd has f called once when the connection has ended, at once if it has
// already. f must not wait.
func (c *Conn) OnEnd(f func()) {
	c.mu.Lock()
	ended := c.ended
	if !ended {
		c.onEnd = append(c.onEnd, f)
	}
	c.mu.Unlock()
	if ended {
		f()
	}
}
