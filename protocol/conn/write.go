package conn

import (
	"fmt"
	"io"
	"net"
)

// Sizes of writing. Regions of up to copyBelow bytes are copied into the
// writev of their reply, which costs fewer system calls than sendfile.
// Where there is no sendfile, regions go through copies of copyPiece bytes.
const (
	maxBatch  = 64
	copyBelow = 16 << 10
	copyPiece = 256 << 10
)

// output is the write side of a connection, used only by the goroutine that
// holds Conn.writing.
type output struct {
	batch  []*Call
	store  [][]byte    // pieces to go out with the next writev
	vec    net.Buffers // what writev consumes; a field because it escapes
	copies []*block    // regions copied into store
	copied int
	raw    rawWriter
}

// flush writes replies until the head of the queue is not done. Whoever calls
// it has set writing, which flush clears.
func (c *Conn) flush() { c.flushFrom(c.takeBatch(0)) }

// flushFrom is flush with a batch in hand.
func (c *Conn) flushFrom(batch []*Call) {
	for len(batch) > 0 {
		if batch[0].hangUp {
			err := batch[0].err
			c.stopWriting()
			c.end(err)
			return
		}
		c.act.writeProgress()
		if batch = c.wrote(batch, c.out.write(c, batch)); batch == nil {
			return
		}
	}
}

// wrote gives back what a written batch held and takes the next; nil when
// there is none or the connection ended with err.
func (c *Conn) wrote(batch []*Call, err error) []*Call {
	c.act.writeEnds()
	size := 0
	for i, call := range batch {
		if call.out != nil {
			size += len(call.out.mem)
		}
		call.discard()
		batch[i] = nil
	}
	if err != nil {
		c.stopWriting()
		c.end(err)
		return nil
	}
	return c.takeBatch(size)
}

// tryFlush is flush for goroutines that must not wait: small replies go out
// with one write that does not block; whatever is left a writer takes over.
func (c *Conn) tryFlush() {
	batch := c.takeBatch(0)
	if len(batch) == 0 {
		return
	}
	if !small(batch) {
		go c.flushFrom(batch)
		return
	}
	c.act.writeProgress()
	if err := c.out.gather(c, batch); err != nil {
		c.out.reset()
		go c.wrote(batch, err)
		return
	}
	all, err := c.out.tryWrite(c)
	if !all && err == nil {
		go func() { c.flushFrom(c.wrote(batch, c.out.send(c, false))) }()
		return
	}
	c.out.reset()
	if err != nil { // not here: the hooks of held calls may want what our caller holds
		go c.wrote(batch, err)
	} else if batch = c.wrote(batch, nil); len(batch) > 0 {
		go c.flushFrom(batch)
	}
}

// small tells whether a batch's replies go out in one write of copies.
func small(batch []*Call) bool {
	n := 0
	for _, call := range batch {
		if call.hangUp {
			return false
		}
		if call.out != nil {
			n += len(call.out.mem)
		}
		for i := range call.regions {
			n += call.regions[i].Len
		}
	}
	return n <= copyBelow
}

// takeBatch moves the calls whose turn has come out of the queue; none means
// that the caller writes no longer. wrote is what the last batch took off.
func (c *Conn) takeBatch(wrote int) []*Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending -= wrote
	n := 0
	for n < len(c.queue) && n < maxBatch && c.queue[n].done && !(n > 0 && c.queue[n].hangUp) {
		if n++; c.queue[n-1].hangUp {
			break
		}
	}
	c.out.batch = append(c.out.batch[:0], c.queue[:n]...)
	left := copy(c.queue, c.queue[n:])
	clear(c.queue[left:])
	c.queue = c.queue[:left]
	c.writing = n > 0
	c.changed.Signal()
	return c.out.batch
}

func (c *Conn) stopWriting() {
	c.mu.Lock()
	c.writing = false
	c.changed.Signal()
	c.mu.Unlock()
}

// write sends the replies of batch with as few system calls as it can.
func (o *output) write(c *Conn, batch []*Call) error {
	defer o.reset()
	if err := o.gather(c, batch); err != nil {
		return err
	}
	return o.send(c, false)
}

// gather puts the replies into store, and sends what does not belong there.
func (o *output) gather(c *Conn, batch []*Call) error {
	for _, call := range batch {
		if call.out == nil {
			continue
		}
		head, at := call.out.mem, 0
		for _, r := range call.regions {
			if r.At > at {
				o.store = append(o.store, head[at:r.At])
				at = r.At
			}
			if err := o.region(c, r); err != nil {
				return err
			}
		}
		o.store = append(o.store, head[at:])
	}
	return nil
}

// tryWrite writes store as far as the socket takes it at once and reports
// whether that was all; what is left stays in store.
func (o *output) tryWrite(c *Conn) (all bool, err error) {
	n, err := o.raw.try(c, o.store)
	if err != nil {
		return false, err
	}
	c.srv.counters.BytesOut.Add(int64(n))
	rest := skip(o.store, n)
	if len(rest) == 0 {
		return true, nil // store keeps its array
	}
	o.store = rest
	return false, nil
}

// skip drops n sent bytes from the front.
func skip(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if len(bufs) > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}

func (o *output) region(c *Conn, r Region) error {
	if r.Len > copyBelow && c.raw != nil {
		if err := o.send(c, true); err != nil {
			return err
		}
		c.srv.counters.BytesOut.Add(int64(r.Len))
		return o.raw.sendFile(c, r)
	}
	for off := 0; off < r.Len; {
		n := min(r.Len-off, copyPiece)
		b := takeBlock(n)
		o.copies = append(o.copies, b)
		if m, err := r.File.ReadAt(b.mem, r.Off+int64(off)); m < n {
			return fmt.Errorf("read %d bytes of a reply at %d: %w", n, r.Off+int64(off), noEOF(err))
		}
		o.store = append(o.store, b.mem)
		off += n
		if o.copied += n; o.copied >= copyPiece {
			if err := o.send(c, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// send writes what is stored. more: the reply goes on, the kernel may wait
// with a last, small packet.
func (o *output) send(c *Conn, more bool) (err error) {
	n := 0
	for _, b := range o.store {
		n += len(b)
	}
	c.srv.counters.BytesOut.Add(int64(n))
	switch {
	case n == 0:
	case c.raw != nil:
		err = o.raw.send(c, o.store, more)
	case len(o.store) == 1:
		_, err = c.nc.Write(o.store[0])
	default:
		o.vec = o.store
		_, err = o.vec.WriteTo(c.nc)
	}
	o.reset()
	return err
}

func (o *output) reset() {
	clear(o.store[:cap(o.store)])
	o.store = o.store[:0]
	for i, b := range o.copies {
		b.free()
		o.copies[i] = nil
	}
	o.copies, o.copied = o.copies[:0], 0
}

// noEOF names what an end of file within a region is: the file is shorter than
// the log believes.
func noEOF(err error) error {
	if err == io.EOF || err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}
