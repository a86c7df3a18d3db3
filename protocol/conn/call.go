package conn

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/invariant"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Handler answers requests. Handle is called on the connection's read
// goroutine, in request order, and must not block but for bounded work: what
// takes longer keeps the Call and finishes it from elsewhere.
type Handler interface {
	Handle(*Call)
}

// HandlerFunc is a Handler made of a function.
type HandlerFunc func(*Call)

// Handle calls f.
func (f HandlerFunc) Handle(c *Call) { f(c) }

// Event says why a held call is poked, see Call.Notify.
type Event uint8

const (
	// NextRequest: another request arrived and waits behind this one.
	NextRequest Event = iota
	// Closed: the connection has ended, an answer would reach nobody.
	Closed
	// ShuttingDown: the server stops; calls that are held should be answered.
	ShuttingDown
)

// Call is one request on its way. Exactly one of Reply, ReplyLater, ReplyRegions,
// NoReply and Close must be called, from any goroutine. Afterwards Body and everything
// decoded from it that is not a string must not be touched: it may be reused.
type Call struct {
	Header   frame.Header
	Body     []byte // behind the header; of a Produce it is pooled memory
	Listener string // name of the listener
	Conn     *Conn
	Received time.Time // when the frame was complete

	req     kmsg.Request
	class   apikey.Class
	frame   *block       // what Body lies in; nil if that is garbage-collected memory
	claimed atomic.Int64 // bytes of the budget that are held, see letGo and Conn.handled
	// finished is set by the one finisher before it touches the reply.
	finished atomic.Bool

	// Guarded by Conn.mu until done, then owned by the writer.
	notify  func(Event)
	done    bool
	hangUp  bool // close the connection when this call's turn has come
	err     error
	out     *block // encoded reply, or its bytes before the regions; nil = nothing to send
	regions []Region
}

// RegionFile is what a Region reads from.
type RegionFile interface {
	io.ReaderAt
	Fd() uintptr
}

// Region is a run of bytes in a file that is part of a reply. On plaintext
// Linux connections it goes to the socket with sendfile, elsewhere by copy.
type Region struct {
	At      int // sent after this many bytes of the reply's head
	File    RegionFile
	Off     int64
	Len     int
	Release func() // called once when the bytes were sent or never will be; may be nil
}

// Request decodes the body once and returns the same request from then on.
// Byte slices in it alias Body. On an error the caller finishes with Close.
func (c *Call) Request() (kmsg.Request, error) {
	if c.req != nil {
		return c.req, nil
	}
	req, err := frame.DecodeRequest(c.Header, c.Body)
	if err == nil {
		c.req = req
	}
	return req, err
}

// Reply encodes resp and queues it. It never blocks: a small reply whose turn has
// come is written at once if the socket takes it without waiting.
func (c *Call) Reply(resp kmsg.Response) {
	c.encode(resp)
	c.Conn.finish(c, atOnce)
}

// ReplyLater is Reply for whoever finishes many calls at a time. It writes nothing:
// the caller owes a Conn.Send, which writes all replies of a connection together.
func (c *Call) ReplyLater(resp kmsg.Response) {
	c.encode(resp)
	c.Conn.finish(c, bySend)
}

func (c *Call) encode(resp kmsg.Response) {
	c.claim()
	b := takeBlock(1 << minClass)
	c.out = b.replace(frame.AppendResponse(b.mem[:0], c.Header.Key, c.Header.Version, c.Header.CorrelationID, resp))
}

// ReplyRegions queues head, which begins with the size of the whole reply and
// its header, with each region sent at its place in it. head is copied. The
// regions are in the order of At. A small reply whose turn has come is written
// at once if the socket takes it without waiting, which saves waking a writer.
func (c *Call) ReplyRegions(head []byte, regions []Region) {
	c.claim()
	c.out = takeBlock(len(head))
	copy(c.out.mem, head)
	c.regions = regions
	c.Conn.finish(c, atOnce)
}

// NoReply finishes the call without an answer (Produce with acks=0).
func (c *Call) NoReply() {
	c.claim()
	c.Conn.finish(c, byWriter)
}

// Close finishes the call by closing the connection because of err, after the
// replies to earlier requests were sent.
func (c *Call) Close(err error) {
	c.claim()
	c.hangUp, c.err = true, err
	c.Conn.finish(c, byWriter)
}

// Notify registers f to be called once when a held call should be answered
// early. If that already holds, f runs before Notify returns. f may finish the
// call; it can come at the very moment the call is finished elsewhere, so
// whoever races must agree on one finisher.
func (c *Call) Notify(f func(Event)) { c.Conn.watch(c, f) }

// claim makes the caller the only one who may finish the call.
func (c *Call) claim() {
	if !c.finished.CompareAndSwap(false, true) { // not by Check alone, whose arguments would be allocated for every request
		invariant.Check(false, "%v request %d of %s is answered twice", c.Header.Key, c.Header.CorrelationID, c.Listener)
	}
}

// letGo gives back what only the request needed.
func (c *Call) letGo(b *budget) {
	c.frame.free()
	b.release(c.claimed.Swap(0))
	c.frame = nil
}

// discard gives back what the reply holds, sent or not.
func (c *Call) discard() {
	c.out.free()
	for _, r := range c.regions {
		if r.Release != nil {
			r.Release()
		}
	}
	c.out, c.regions = nil, nil
}
