package conn

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DialFunc makes a network connection.
type DialFunc func(ctx context.Context) (net.Conn, error)

// ErrClientClosed is what requests fail with after Close.
var ErrClientClosed = errors.New("client closed")

// maxResponse bounds a response; responses come from our own cluster, so this
// only guards against a peer that does not speak the protocol.
const maxResponse = 256 << 20

// Client is one connection to a peer. Requests of concurrent callers are
// pipelined; the peer answers them in order. A Client does not dial again:
// whoever owns it does, when Done is closed.
type Client struct {
	nc       net.Conn
	clientID string
	done     chan struct{}

	// writing has room for one: whoever puts something in makes "append to pending"
	// and "write to the socket" one step, so that pending is in the order of the wire.
	writing chan struct{}
	out     []byte

	mu      sync.Mutex // guards what follows; never held while blocking
	pending []*exchange
	next    int32
	err     error // why the connection ended
}

// exchange is one request on its way.
type exchange struct {
	correlation int32
	frame       []byte
	done        chan struct{}
	err         error
}

// Dial connects and starts the goroutine that reads responses.
func Dial(ctx context.Context, dial DialFunc, clientID string) (*Client, error) {
	nc, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &Client{nc: nc, clientID: clientID, done: make(chan struct{}), writing: make(chan struct{}, 1)}
	go c.read()
	return c, nil
}

// Do sends req, whose version the caller has set, and waits for its response.
// When ctx ends first the response is dropped when it comes; if the peer has not
// even taken the request by then, that is the connection's end.
func (c *Client) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	x := &exchange{done: make(chan struct{})}
	if err := c.send(ctx, x, req); err != nil {
		return nil, err
	}
	select {
	case <-x.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if x.err != nil {
		return nil, x.err
	}
	return frame.DecodeResponse(req, x.frame)
}

func (c *Client) send(ctx context.Context, x *exchange, req kmsg.Request) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	c.mu.Lock()
	if err := c.err; err != nil {
		c.mu.Unlock()
		return err
	}
	c.next++
	x.correlation = c.next
	c.pending = append(c.pending, x)
	c.mu.Unlock()
	c.out = frame.AppendRequest(c.out[:0], req, x.correlation, c.clientID)
	if err := c.write(ctx); err != nil {
		c.end(fmt.Errorf("write %s request: %w", kmsg.NameForKey(req.Key()), err))
		return err
	}
	if cap(c.out) > nextGrant {
		c.out = nil
	}
	return nil
}

// write sends out. A peer that does not read holds its caller for no longer than
// ctx lasts.
func (c *Client) write(ctx context.Context) error {
	broken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.nc.SetWriteDeadline(time.Unix(1, 0))
		close(broken)
	})
	_, err := c.nc.Write(c.out)
	if !stop() {
		<-broken
		c.nc.SetWriteDeadline(time.Time{})
		if err != nil {
			return ctx.Err()
		}
	}
	return err
}

func (c *Client) read() {
	for {
		raw, err := readResponse(c.nc)
		if err == nil {
			err = c.deliver(raw)
		}
		if err != nil {
			c.end(fmt.Errorf("read response: %w", err))
			return
		}
	}
}

// readResponse reads one frame; memory is made as its bytes arrive.
func readResponse(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(head[:])))
	if size < 4 || size > maxResponse {
		return nil, fmt.Errorf("%w: response of %d bytes", ErrFrameSize, size)
	}
	raw := make([]byte, min(size, nextGrant))
	for n := 0; ; {
		m, err := io.ReadFull(r, raw[n:])
		if n += m; err != nil {
			return nil, midFrame(err, 1)
		}
		if n == size {
			return raw, nil
		}
		grown := make([]byte, min(size, 2*n))
		copy(grown, raw)
		raw = grown
	}
}

// deliver gives a response to the oldest request, which it must belong to.
func (c *Client) deliver(raw []byte) error {
	correlation := int32(binary.BigEndian.Uint32(raw))
	c.mu.Lock()
	if len(c.pending) == 0 || c.pending[0].correlation != correlation {
		c.mu.Unlock()
		return fmt.Errorf("response to request %d is out of order", correlation)
	}
	x := c.pending[0]
	c.pending[0] = nil
	c.pending = c.pending[1:]
	c.mu.Unlock()
	x.frame = raw
	close(x.done)
	return nil
}

// end fails everything in flight; only the first reason counts.
func (c *Client) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	lost := c.pending
	c.pending = nil
	c.mu.Unlock()
	c.nc.Close()
	for _, x := range lost {
		x.err = err
		close(x.done)
	}
	close(c.done)
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the connection ended, nil while it lives.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection; requests in flight fail with ErrClientClosed.
func (c *Client) Close() error {
	c.end(ErrClientClosed)
	return nil
}
