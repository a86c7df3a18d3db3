package twin

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is one connection that carries one request at a time.
type conn struct {
	addr string
	c    net.Conn
	corr int32
}

const answerTimeout = 10 * time.Second

var errClosed = errors.New("connection closed")

func dial(addr string) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, answerTimeout)
	if err != nil {
		return nil, err
	}
	return &conn{addr: addr, c: c}, nil
}

func (c *conn) close() { _ = c.c.Close() }

// reopen replaces a connection that the broker has closed, or that owes an answer.
func (c *conn) reopen() {
	c.close()
	if n, err := dial(c.addr); err == nil {
		c.c = n.c
	}
}

func (c *conn) write(req kmsg.Request) error {
	c.corr++
	_, err := c.c.Write(c.format(req))
	return err
}

func (c *conn) format(req kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("twin")).AppendRequest(nil, req, c.corr)
}

// roundTrip asks and decodes; the frame has both messages without size prefixes.
func (c *conn) roundTrip(req kmsg.Request) (kmsg.Response, Frame, error) {
	c.corr++
	buf := c.format(req)
	f := Frame{Key: req.Key(), Version: req.GetVersion(), Request: buf[4:]}
	b, err := c.trip(buf)
	if err != nil {
		return nil, f, err
	}
	f.Response = b
	resp, err := decode(req, b)
	return resp, f, err
}

// decode reads a response frame (header and body) of a request.
func decode(req kmsg.Request, b []byte) (kmsg.Response, error) {
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if len(b) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	b = b[4:] // correlation id
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		if len(b) == 0 || b[0] != 0 {
			return nil, errors.New("the response header has tags")
		}
		b = b[1:]
	}
	if resp.Key() == int16(kmsg.ApiVersions) && len(b) > 1 && b[0] == 0 && b[1] == 35 {
		resp.SetVersion(0) // UNSUPPORTED_VERSION is answered in the oldest form
	}
	return resp, resp.ReadFrom(b)
}

// rawTrip sends a body with its size in front.
func (c *conn) rawTrip(body []byte) ([]byte, error) {
	return c.trip(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
}

func (c *conn) trip(buf []byte) ([]byte, error) {
	if err := c.c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.c.Write(buf); err != nil {
		return nil, errClosed
	}
	var h [4]byte
	if _, err := io.ReadFull(c.c, h[:]); err != nil {
		return nil, closedOr(err)
	}
	n := binary.BigEndian.Uint32(h[:])
	if n > 64<<20 {
		return nil, errors.New("answer larger than 64 MiB")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.c, b); err != nil {
		return nil, closedOr(err)
	}
	return b, nil
}

func closedOr(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return errClosed
}
