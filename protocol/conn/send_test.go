package conn

import (
	"net"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func commit(correlation int32) []byte { return request(apikey.OffsetCommit, 2, correlation) }

func committed() kmsg.Response {
	r := kmsg.NewPtrOffsetCommitResponse()
	r.Version = 2
	return r
}

// Commits come one behind the other without waiting for replies, and their
// replies leave together when they are told to, in the order of the requests.
func TestRepliesAreSentTogether(t *testing.T) {
	const n = 200 // more than one batch of the writer, more than one piece of a write
	calls := make(chan *Call, n)
	_, dial := serve(t, HandlerFunc(func(c *Call) { calls <- c }), Limits{}, Options{})
	c := dial()
	var all []byte
	for i := range int32(n) {
		all = append(all, commit(i)...)
	}
	c.Write(all)
	held := make([]*Call, n)
	for i := range held {
		held[i] = <-calls
	}
	conn := held[0].Conn
	awaitReader(t, conn)
	for i := n - 1; i >= 0; i-- {
		held[i].ReplyLater(committed())
	}
	conn.mu.Lock()
	waiting := len(conn.queue)
	conn.mu.Unlock()
	if waiting != n {
		t.Fatalf("%d of %d replies wait for Send", waiting, n)
	}
	conn.Send()
	conn.Send() // nothing is left, or a writer is at it
	for i := range int32(n) {
		if got, _ := readReply(t, c); got != i {
			t.Fatalf("reply %d at place %d", got, i)
		}
	}
}

// awaitReader waits until the reader has nothing to flush: it waits for the peer.
func awaitReader(t *testing.T, c *Conn) {
	t.Helper()
	for range 2000 {
		c.mu.Lock()
		reading := c.reading
		c.mu.Unlock()
		if !reading {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the reader does not wait")
}

// Replies that wait for Send go out with what is written for another reason,
// and the reader sends those that are made while it handles requests.
func TestRepliesForSendAreNotStuck(t *testing.T) {
	calls := make(chan *Call, 2)
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		if c.Header.CorrelationID < 10 {
			c.ReplyLater(committed())
			return
		}
		calls <- c
	}), Limits{}, Options{})
	c := dial()
	c.Write(commit(1))
	readReply(t, c)
	c.Write(append(commit(10), commit(11)...))
	a, b := <-calls, <-calls
	a.ReplyLater(committed())
	b.Reply(committed())
	readReply(t, c)
	readReply(t, c)
}

// Send works where the socket cannot be asked not to wait, and after the end.
func TestSendOverAPipe(t *testing.T) {
	here, there := net.Pipe()
	calls := make(chan *Call, 1)
	s := NewServer(Options{})
	defer s.Close()
	l := &oneConn{c: here, closed: make(chan struct{})}
	go s.Serve(l, "TEST", HandlerFunc(func(c *Call) { calls <- c }), Limits{})
	there.Write(commit(1))
	call := <-calls
	awaitReader(t, call.Conn)
	call.ReplyLater(committed())
	call.Conn.Send()
	readReply(t, there)
	there.Write(commit(2))
	call = <-calls
	call.Conn.end(nil)
	call.ReplyLater(committed())
	call.Conn.Send()
}

// oneConn is a listener with one connection.
type oneConn struct {
	c      net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.c; c != nil {
		l.c = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// Small frames that fill the buffer get a larger one; others do not.
func TestBufferGrowsForManySmallFrames(t *testing.T) {
	for _, tc := range []struct {
		name  string
		sent  []byte
		n     int
		large bool
	}{
		{"one small frame", commit(1), 1, false},
		{"large frames", append(produce(1, 20_000), produce(2, 20_000)...), 2, false},
		{"many small frames", func() (b []byte) {
			for i := range int32(60) {
				b = append(b, commit(i)...)
			}
			return b
		}(), 60, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conns := make(chan *Conn, tc.n)
			_, dial := serve(t, HandlerFunc(func(c *Call) {
				conns <- c.Conn
				c.ReplyRegions(frame.AppendResponse(nil, apikey.OffsetCommit, 2, c.Header.CorrelationID, committed()), nil)
			}), Limits{}, Options{})
			c := dial()
			c.Write(tc.sent)
			for range tc.n {
				readReply(t, c)
			}
			served := <-conns
			awaitReader(t, served)
			if got := len(served.in.buf) > peekSmall; got != tc.large {
				t.Errorf("the buffer has %d bytes", len(served.in.buf))
			}
		})
	}
}
