package conn

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/protocol/frame"
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

// Call is one request on its way. Exactly one of Reply, ReplyRegions, NoReply
// and Close must be called, from any goroutine. Afterwards Body and everything
// decoded from it that is not a string must not be touched: it may be reused.
type Call struct {
	Header   frame.Header
	Body     []byte // behind the header; of a Produce it is pooled memory
	Listener string // name of the listener
	Conn     *Conn
	Received time.Time // when the frame was complete

	req    kmsg.Request
	buf    buffer // the frame
	budget int64  // bytes claimed for the frame

	state   atomic.Uint32 // finished or not
	notify  func(Event)   // guarded by Conn.mu
	out     buffer        // encoded reply or its prefix, guarded by Conn.mu until done
	regions []Region
	noReply bool
	done    bool // guarded by Conn.mu
}

// RegionFile is what a Region reads from.
type RegionFile interface {
	io.ReaderAt
	Fd() uintptr
}

// Region is a run of bytes in a file that is part of a reply. On plaintext
// Linux connections it goes to the socket with sendfile, elsewhere by copy.
// Release, if not nil, is called once when the bytes were sent or never will be.
type Region struct {
	File    RegionFile
	Off     int64
	Len     int
	Release func()
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
