package conn

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/apikey"
)

var echo = HandlerFunc(func(c *Call) {
	if _, err := c.Request(); err != nil {
		c.Close(err)
		return
	}
	answer(c)
})

// Each of these costs its own connection and nothing else.
func TestHostileFrames(t *testing.T) {
	size := func(n uint32, rest string) string { return string(binary.BigEndian.AppendUint32(nil, n)) + rest }
	header := func(s string) string { return size(uint32(len(s)), s) }
	cases := map[string]string{
		"size 0":                       size(0, ""),
		"size -1":                      size(1<<32-1, "xxxxxxxxxxxx"),
		"size 2^31-1":                  size(1<<31-1, "\x00\x03\x00\x01\x00\x00\x00\x01"),
		"size of header less one":      size(7, "\x00\x03\x00\x01\x00\x00\x00"),
		"size above the limit":         size(1<<20+1, "\x00\x03\x00\x01\x00\x00\x00\x01"),
		"http":                         "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"tls":                          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaa",
		"unknown key":                  header("\x7f\xff\x00\x00\x00\x00\x00\x01\xff\xff"),
		"negative key":                 header("\xff\xff\x00\x00\x00\x00\x00\x01\xff\xff"),
		"unknown version":              header("\x00\x03\x00\x63\x00\x00\x00\x01\xff\xff"),
		"negative version":             header("\x00\x03\xff\xff\x00\x00\x00\x01\xff\xff"),
		"client id longer than all":    header("\x00\x03\x00\x01\x00\x00\x00\x01\x7f\xff"),
		"client id of length -2":       header("\x00\x03\x00\x01\x00\x00\x00\x01\xff\xfe"),
		"tag bomb in the header":       header("\x00\x03\x00\x0c\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\x0f" + strings.Repeat("\x00", 1000)),
		"array of 2^31-1 topics":       header("\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff\x7f\xff\xff\xff"),
		"tag bomb in the body":         header("\x00\x03\x00\x0c\x00\x00\x00\x01\xff\xff\x00\x00\x01\x00\xff\xff\xff\xff\x0f" + strings.Repeat("\x00", 1000)),
		"overlong varint":              header("\x00\x03\x00\x0c\x00\x00\x00\x01\xff\xff\x80\x80\x80\x80\x80\x80\x80\x01"),
		"produce, topics beyond frame": header("\x00\x00\x00\x03\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\x00\x00\x00\x01\x00\x00\xff\xff"),
	}
	_, dial := serve(t, echo, Limits{MaxFrame: 1 << 20}, Options{})
	good := dial()
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			bad := dial()
			bad.Write([]byte(raw))
			mustBeClosed(t, bad)
			good.Write(request(apikey.Metadata, 1, 1, 0, 0, 0, 0))
			readReply(t, good)
		})
	}
}

// What cannot be a request, and what ends within one, does not swallow the
// replies to what came before.
func TestBadFramesComeAfterTheirPredecessors(t *testing.T) {
	good := request(apikey.Metadata, 1, 1)
	for name, bad := range map[string]string{
		"size 0":          "\x00\x00\x00\x00",
		"size -1":         "\xff\xff\xff\xff",
		"unknown key":     "\x00\x00\x00\x0a\x7f\xff\x00\x00\x00\x00\x00\x02\xff\xff",
		"unknown version": "\x00\x00\x00\x0a\x00\x03\x00\x63\x00\x00\x00\x02\xff\xff",
		"half a size":     "\x00\x00",
		"half a header":   "\x00\x00\x00\x0a\x00\x03\x00\x01",
		"half a body":     "\x00\x00\x10\x00\x00\x03\x00\x01\x00\x00\x00\x02\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			_, dial := serve(t, HandlerFunc(answer), Limits{}, Options{})
			c := dial()
			c.Write(append(good, bad...))
			c.(*net.TCPConn).CloseWrite()
			if got, _ := readReply(t, c); got != 1 {
				t.Fatalf("reply %d", got)
			}
			mustBeClosed(t, c)
		})
	}
}

// A bad frame waits for the replies that are not made yet, and like any request
// has a held call answered.
func TestABadFrameWaitsForItsTurn(t *testing.T) {
	calls, events := make(chan *Call, 2), make(chan Event, 1)
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		if c.Header.Key == apikey.Fetch {
			c.Notify(func(e Event) { events <- e })
		}
		calls <- c
	}), Limits{}, Options{})
	c := dial()
	c.Write(append(append(produce(1, 10), request(apikey.Fetch, 4, 2)...), 0xff, 0xff, 0xff, 0xff))
	first, held := <-calls, <-calls
	if e := <-events; e != NextRequest {
		t.Fatalf("event %v", e)
	}
	answer(held)
	answer(first)
	readReply(t, c)
	readReply(t, c)
	mustBeClosed(t, c)
}

// Who closes his half in the middle of a request is answered what he asked before.
func TestHalfARequestAndTheEnd(t *testing.T) {
	calls := make(chan *Call, 1)
	_, dial := serve(t, HandlerFunc(func(c *Call) { calls <- c }), Limits{}, Options{})
	c := dial()
	c.Write(append(produce(1, 10), 0, 0))
	c.(*net.TCPConn).CloseWrite()
	call, told := <-calls, make(chan Event, 1)
	call.Notify(func(e Event) { told <- e }) // comes when the reader has seen the end
	<-told
	answer(call)
	readReply(t, c)
	mustBeClosed(t, c)
}

// A length costs nothing until its bytes arrive.
func TestClaimedLengthsCostNothing(t *testing.T) {
	_, dial := serve(t, echo, Limits{}, Options{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 50
	for range n {
		c := dial()
		// 100 MiB each are announced, in a Produce and so in pooled memory.
		c.Write([]byte("\x06\x3f\xff\xff\x00\x00\x00\x03\x00\x00\x00\x01\xff\xff"))
	}
	waitUntil(t, func() bool { return countGoroutinesIn("readFull") == n })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > n*(firstGrant*2+16<<10) {
		t.Fatalf("%d connections that announced 100 MiB each hold %d KiB", n, grown>>10)
	}
}

// Who has sent as much before is believed the next length, but all together no
// more than maxBelieved; and no larger one.
func TestLengthsOfTheProvenCostABounded(t *testing.T) {
	s, dial := serve(t, HandlerFunc(answer), Limits{}, Options{})
	const size, n = 8 << 20, maxBelieved/(8<<20) + 5
	announce := func(c net.Conn, size uint32) {
		c.Write(append(binary.BigEndian.AppendUint32(nil, size), "\x00\x00\x00\x03\x00\x00\x00\x01\xff\xff"...))
	}
	whole := produce(1, size-11)
	var conns []net.Conn
	for range n {
		c := dial()
		c.Write(whole)
		readReply(t, c)
		conns = append(conns, c)
	}
	if b := s.believed.Load(); b != 0 {
		t.Fatalf("%d bytes believed, and nothing is to come", b)
	}
	announce(conns[0], size+1)
	waitUntil(t, func() bool { return countGoroutinesIn("readFull") == 1 })
	if b := s.believed.Load(); b != 0 {
		t.Fatalf("%d bytes believed of a frame larger than any before", b)
	}
	for _, c := range conns[1:] {
		announce(c, size)
	}
	waitUntil(t, func() bool { return countGoroutinesIn("readFull") == n })
	if b := s.believed.Load(); b != maxBelieved {
		t.Fatalf("%d bytes believed, not %d", b, maxBelieved)
	}
	for _, c := range conns {
		c.Close()
	}
	waitUntil(t, func() bool { return s.believed.Load() == 0 })
}

func countGoroutinesIn(f string) int { return countStacks("conn.(*Conn)." + f + "(") }

func countStacks(with string) int {
	buf := make([]byte, 4<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), with)
}

func waitUntil(t *testing.T, f func() bool) {
	t.Helper()
	for i := 0; !f(); i++ {
		if i == 2000 {
			t.Fatal("never happened")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestTrickleIsCut(t *testing.T) {
	_, dial := serve(t, echo, Limits{BodyGrace: 100 * time.Millisecond, BodyRate: 1 << 20}, Options{})
	for _, size := range []byte{100, 255} { // within the peek buffer, and with the size prefix cut
		c := dial()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for _, b := range append([]byte{0, 0, size, 0}, make([]byte, 1<<16)...) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		mustBeClosed(t, c)
		<-done
	}
}

func TestSilenceIsCut(t *testing.T) {
	_, dial := serve(t, echo, Limits{FirstByte: 50 * time.Millisecond, Idle: 200 * time.Millisecond}, Options{})
	silent, idle := dial(), dial()
	idle.Write(request(apikey.Metadata, 1, 1, 0, 0, 0, 0))
	readReply(t, idle)
	mustBeClosed(t, silent)
	mustBeClosed(t, idle)
}

func TestHeldCallIsNotIdle(t *testing.T) {
	calls := make(chan *Call, 1)
	s, dial := serve(t, HandlerFunc(func(c *Call) { calls <- c }), Limits{Idle: 40 * time.Millisecond}, Options{})
	c := dial()
	c.Write(request(apikey.Fetch, 4, 1))
	held := <-calls
	for range 3 { // the janitor comes by and leaves it alone
		time.Sleep(50 * time.Millisecond)
		s.sweep()
	}
	answer(held)
	readReply(t, c)
}

// A client that sends and never reads gets no more done than the queue holds.
func TestPipeliningWithoutReading(t *testing.T) {
	var handled atomic.Int64
	reply := make([]byte, 64<<10)
	s, dial := serve(t, HandlerFunc(func(c *Call) {
		handled.Add(1)
		large(c, reply)
	}), Limits{Idle: 300 * time.Millisecond}, Options{})
	c := dial()
	go func() {
		one := request(apikey.Metadata, 1, 1, 0, 0, 0, 0)
		for range 100_000 {
			if _, err := c.Write(one); err != nil {
				return
			}
		}
	}()
	waitUntil(t, func() bool { return s.Counters().Accepted.Load() == 1 && s.Counters().Open.Load() == 0 }) // stalled, and cut for it
	if n := handled.Load(); n > 2000 {
		t.Fatalf("%d requests were handled for a client that reads nothing", n)
	}
}

// large replies with body, whatever that says.
func large(c *Call, body []byte) {
	head := append(emptyReply(c.Header.CorrelationID), body...)
	binary.BigEndian.PutUint32(head, uint32(len(head)-4))
	c.ReplyRegions(head, nil)
}

// The reader stops at so many calls that are not answered.
func TestUnansweredCallsAreBounded(t *testing.T) {
	var handled atomic.Int64
	_, dial := serve(t, HandlerFunc(func(*Call) { handled.Add(1) }), Limits{}, Options{})
	var all []byte
	for i := range int32(2 * maxQueuedCalls) {
		all = append(all, commit(i)...)
	}
	dial().Write(all)
	waitUntil(t, func() bool { return countGoroutinesIn("waitForChange") == 1 })
	if n := handled.Load(); n != maxQueuedCalls {
		t.Fatalf("%d requests were handled", n)
	}
}

// The reader stops at so many bytes of answers that are not taken.
func TestUntakenBytesAreBounded(t *testing.T) {
	const size = 1 << 20
	calls, answered, over := make(chan *Call), make(chan struct{}), make(chan struct{})
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		select {
		case calls <- c:
		case <-over:
		}
	}), Limits{SendBuffer: 4096}, Options{})
	c := dial()
	c.(*net.TCPConn).SetReadBuffer(4096)
	var n atomic.Int64
	go func() { // one after the other, each answered from elsewhere
		defer close(answered)
		for i := range int32(2 * maxQueuedCalls) {
			c.Write(commit(i))
			select {
			case call := <-calls:
				// The reader writes what is ready before it reads on, and would wait there.
				for countStacks("conn.(*rawReader).read(") == 0 {
					time.Sleep(100 * time.Microsecond)
				}
				large(call, make([]byte, size))
				n.Add(1)
			case <-over:
				return
			}
		}
	}()
	waitUntil(t, func() bool { return countGoroutinesIn("waitForChange") == 1 })
	if n := n.Load(); n < maxQueuedBytes/size || n > maxQueuedBytes/size+20 {
		t.Errorf("%d requests were handled", n)
	}
	close(over)
	<-answered
}

func TestConnectionLimits(t *testing.T) {
	s, dial := serve(t, echo, Limits{MaxPerIP: 2}, Options{})
	a, b, c := dial(), dial(), dial()
	mustBeClosed(t, c)
	ask := func(c net.Conn) {
		c.Write(request(apikey.Metadata, 1, 1, 0, 0, 0, 0))
		readReply(t, c)
	}
	ask(a)
	ask(b)
	a.Close()
	waitUntil(t, func() bool { return s.Counters().Open.Load() == 1 })
	ask(dial())

	_, dial = serve(t, echo, Limits{MaxPerIP: 1, PerIP: map[netip.Addr]int{netip.MustParseAddr("127.0.0.1"): 0}}, Options{})
	mustBeClosed(t, dial())

	_, dial = serve(t, echo, Limits{MaxConnections: 1}, Options{})
	a = dial()
	ask(a)
	b = dial()
	b.Write(request(apikey.Metadata, 1, 7, 0, 0, 0, 0)) // waits in the backlog
	a.Close()
	readReply(t, b)
}

// The budget makes large requests queue up; small ones pass.
func TestBudget(t *testing.T) {
	calls := make(chan *Call, 10)
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		if c.Header.Key == apikey.Produce {
			calls <- c
			return
		}
		answer(c)
	}), Limits{}, Options{RequestBytes: 100 << 10})
	a, b, small := dial(), dial(), dial()
	a.Write(produce(1, 90<<10))
	first := <-calls
	b.Write(produce(2, 90<<10))
	small.Write(request(apikey.Metadata, 1, 1, 0, 0, 0, 0))
	readReply(t, small)
	select {
	case <-calls:
		t.Fatal("more than the budget was read")
	default:
	}
	answer(first)
	answer(<-calls)
	readReply(t, a)
	readReply(t, b)
	a.Write(produce(3, 1<<20)) // larger than the budget: alone, but served
	answer(<-calls)
	readReply(t, a)
}

func TestFramesBeforeAuthentication(t *testing.T) {
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		c.Conn.SetAuthenticated()
		answer(c)
	}), Limits{MaxFrameUnauthenticated: 1000}, Options{})
	c := dial()
	c.Write(produce(1, 2000))
	mustBeClosed(t, c)
	c = dial()
	c.Write(produce(1, 900))
	readReply(t, c)
	c.Write(produce(2, 2000))
	readReply(t, c)
}

// Half a request and then the end: nothing is handled, nothing is left.
func TestTornRequests(t *testing.T) {
	s, dial := serve(t, HandlerFunc(func(c *Call) { t.Error("handled"); answer(c) }), Limits{}, Options{})
	whole := produce(1, 100<<10)
	for _, n := range []int{1, 3, 4, 5, 11, 12, 600, 5000, firstGrant + 10, len(whole) - 1} {
		c := dial()
		c.Write(whole[:n])
		c.Close()
	}
	waitUntil(t, func() bool { return s.Counters().Accepted.Load() == 10 && s.Counters().Open.Load() == 0 })
}

func TestIdleConnectionsAreSmall(t *testing.T) {
	_, dial := serve(t, echo, Limits{}, Options{})
	memory := func() uint64 {
		runtime.GC()
		runtime.GC() // the first one only shrinks stacks
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	const n = 400
	before := memory()
	for range n { // the client's side counts too
		c := dial()
		c.Write(request(apikey.Metadata, 1, 1, 0, 0, 0, 0))
		readReply(t, c)
	}
	if each := (memory() - before) / n; each > 20<<10 {
		t.Fatalf("%d bytes a connection", each)
	} else {
		t.Logf("%d bytes a connection, both ends", each)
	}
}

func TestPipeIsBounded(t *testing.T) {
	l, dial := Pipe()
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := c.Write(make([]byte, 4*pipeBuffer)) // nobody reads what comes back
	if err == nil || n > 3*pipeBuffer {
		t.Fatalf("wrote %d, %v", n, err)
	}
	c.SetDeadline(time.Time{})
	if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Unix(1, 0))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal("read past its deadline")
	}
	c.Close()
	if _, err := c.Write([]byte{1}); err == nil {
		t.Fatal("wrote to a closed pipe")
	}
}
