package conn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"syscall"
	"time"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/frame"
)

// Sizes of reading. An idle connection holds peekSmall bytes; one that sends
// frames of up to peekLarge gets a buffer in which they fit, so that each
// costs one read. Of a large frame, memory beyond firstGrant is made only when
// that much has arrived: a length costs nothing until it is true. Growing costs a
// copy of what has arrived, so a connection that has sent as large a frame is
// believed at once, as long as what all of them are believed is below maxBelieved.
const (
	peekSmall   = 512
	peekLarge   = 4096
	firstGrant  = 64 << 10
	nextGrant   = 1 << 20
	maxBelieved = 64 << 20
	minFrame    = 8 // api key, version, correlation id
)

// Errors that end a connection.
var (
	ErrFrameSize = errors.New("request size is out of bounds")
	ErrSlow      = errors.New("request arrived too slowly")
	ErrIdle      = errors.New("connection was idle for too long")
	ErrStalled   = errors.New("peer does not take its replies")
)

// input is the read side of a connection, used by the reader only.
type input struct {
	buf  []byte // made by the first read
	r, w int    // buf[r:w] is read and not consumed
	raw  rawReader
	// proven is the size, rounded up, of the largest frame that came whole; of what
	// is not worth keeping (maxClass) nothing is proven.
	proven int
}

// nextCall reads one frame and its header.
func (c *Conn) nextCall() (*Call, error) {
	size, err := c.frameSize()
	if err != nil {
		return nil, err
	}
	call := &Call{Listener: c.ln.name, Conn: c}
	raw, err := c.readFrame(call, int(size))
	if err != nil {
		call.letGo(c.srv.budget)
		return nil, err
	}
	call.Received = time.Now()
	c.act.received(call.Received)
	c.srv.counters.Requests.Add(1)
	c.srv.counters.BytesIn.Add(int64(size) + 4)
	// Parsed into the connection's header, so that a client id is a new string
	// only when it changes.
	if call.Body, err = c.header.Parse(raw); err != nil {
		call.letGo(c.srv.budget)
		return nil, err
	}
	call.Header = c.header
	e, _ := apikey.Lookup(call.Header.Key)
	call.class = e.Class
	return call, nil
}

// frameSize reads the size prefix, and the header's first bytes into the buffer.
func (c *Conn) frameSize() (int32, error) {
	in := &c.in
	if err := c.buffered(4); err != nil {
		return 0, err
	}
	size := int32(binary.BigEndian.Uint32(in.buf[in.r:]))
	if size < minFrame || size > c.maxFrame() {
		return 0, fmt.Errorf("%w: %d, at most %d", ErrFrameSize, size, c.maxFrame())
	}
	if err := c.buffered(4 + minFrame); err != nil {
		return 0, err
	}
	in.r += 4
	return size, nil
}

// readFrame returns the frame's size bytes: pooled for Produce, whose body is
// large and dies with the request; the collector's for all others, of which
// handlers may keep parts.
func (c *Conn) readFrame(call *Call, size int) (raw []byte, err error) {
	in := &c.in
	pooled := apikey.Key(binary.BigEndian.Uint16(in.buf[in.r:])) == apikey.Produce
	if size+4 <= peekLarge && size+4 > len(in.buf) {
		in.grow()
	}
	if size <= len(in.buf) {
		if err := c.buffered(size); err != nil {
			return nil, err
		}
		raw = call.memory(size, pooled)
		copy(raw, in.buf[in.r:])
		in.r += size
		return raw, nil
	}
	if err := c.claim(call, size); err != nil {
		return nil, err
	}
	c.act.bodyBegins(c.ln.limits, size)
	defer c.act.bodyEnds()
	grant := firstGrant
	if size <= in.proven && c.srv.believe(size) {
		defer c.srv.believed.Add(-int64(size))
		grant = size
	}
	raw = call.memory(min(size, grant), pooled)
	n := copy(raw, in.buf[in.r:in.w])
	in.r += n
	for {
		if err := c.readFull(raw[n:]); err != nil {
			return nil, err
		}
		if n = len(raw); n == size {
			in.prove(size)
			return raw, nil
		}
		raw = call.growMemory(raw, min(size, max(nextGrant, 2*n)), pooled)
	}
}

// believe tells whether a frame of n bytes that are to come may have its memory now.
func (s *Server) believe(n int) bool {
	if s.believed.Add(int64(n)) <= maxBelieved {
		return true
	}
	s.believed.Add(-int64(n))
	return false
}

func (in *input) prove(size int) {
	if size <= 1<<maxClass {
		in.proven = max(in.proven, 1<<bits.Len(uint(size-1)))
	}
}

// claim takes a frame's bytes from the budget. Others may hold that for as long
// as their bodies take to arrive, so the reader pays its debts before it waits.
func (c *Conn) claim(call *Call, size int) error {
	n, err := c.srv.budget.acquire(c.srv.ctx, int64(size), c.yield)
	call.claimed.Store(n)
	return err
}

// memory returns n bytes for the frame.
func (c *Call) memory(n int, pooled bool) []byte {
	if !pooled {
		return make([]byte, n)
	}
	c.frame = takeBlock(n)
	return c.frame.mem
}

func (c *Call) growMemory(old []byte, n int, pooled bool) []byte {
	before := c.frame
	grown := c.memory(n, pooled)
	copy(grown, old)
	before.free()
	return grown
}

// grow makes room for frames of peekLarge. Many connections never need it.
func (in *input) grow() {
	big := make([]byte, peekLarge)
	in.w = copy(big, in.buf[in.r:in.w])
	in.buf, in.r = big, 0
}

// buffered reads until n bytes lie in the buffer, which must have the room.
func (c *Conn) buffered(n int) error {
	in := &c.in
	if in.w-in.r >= n {
		return nil
	}
	if in.buf == nil {
		in.buf = make([]byte, peekSmall)
	}
	switch {
	case in.r == 0:
	case in.w == len(in.buf) && in.w > in.r && in.w < peekLarge:
		in.grow() // whole frames filled it: with room, more of them come with a read
	default:
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
	if in.w > 0 { // a frame has begun and is not complete
		c.act.bodyBegins(c.ln.limits, n)
		defer c.act.bodyEnds()
	}
	for in.w < n {
		m, err := c.read(in.buf[in.w:])
		in.w += m
		if err != nil && in.w < n {
			return midFrame(err, in.w)
		}
		if in.w > 0 && in.w < n {
			c.act.bodyBegins(c.ln.limits, n)
		}
	}
	c.act.bodyEnds()
	return nil
}

func (c *Conn) readFull(p []byte) error {
	for n := 0; n < len(p); {
		m, err := c.read(p[n:])
		n += m
		if err != nil && n < len(p) {
			return midFrame(err, 1)
		}
	}
	return nil
}

// read waits for the peer, before which the reader pays its debts.
func (c *Conn) read(p []byte) (int, error) {
	c.yield()
	if c.raw != nil && len(p) <= peekLarge {
		return c.in.raw.read(c.raw, p)
	}
	return c.nc.Read(p)
}

// midFrame turns the end of a connection within a frame into an error of its own.
func midFrame(err error, have int) error {
	if have > 0 && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// refused tells whether err is about a frame that cannot be a request.
func refused(err error) bool {
	for _, e := range []error{ErrFrameSize, frame.ErrMalformed, frame.ErrUnsupportedKey, frame.ErrUnsupportedVersion} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// peerIsGone tells whether err only says that the peer closed the connection.
func peerIsGone(err error) bool {
	for _, e := range []error{nil, io.EOF, io.ErrClosedPipe, net.ErrClosed, errCondemned, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
