package conn

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// serve runs a server for one test on loopback and returns a dialer. When the
// test ends the server is closed and every goroutine must be gone.
func serve(t *testing.T, h Handler, lim Limits, o Options) (*Server, func() net.Conn) {
	t.Helper()
	before := runtime.NumGoroutine()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(o)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l, "TEST", h, lim) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
		if n := s.Counters().Open.Load(); n != 0 {
			t.Errorf("%d connections left", n)
		}
		noMoreGoroutinesThan(t, before)
	})
	return s, func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
}

// noMoreGoroutinesThan waits, as goroutines that were told to end need a moment.
func noMoreGoroutinesThan(t *testing.T, n int) {
	t.Helper()
	for i := 0; runtime.NumGoroutine() > n; i++ {
		if i == 1000 {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines leaked:\n%s", runtime.NumGoroutine()-n, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func request(key apikey.Key, version int16, correlation int32, body ...byte) []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(correlation))
	b = append(b, 0, 1, 'c')
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// produce is a Produce v3 of size bytes, of which conn does not look at the body.
func produce(correlation int32, size int) []byte {
	return request(apikey.Produce, 3, correlation, bytes.Repeat([]byte{7}, size)...)
}

func readReply(t *testing.T, c net.Conn) (correlation int32, body []byte) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatalf("read reply: %v", err)
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("read reply of %d bytes: %v", len(b), err)
	}
	return int32(binary.BigEndian.Uint32(b)), b[4:]
}

func mustBeClosed(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("connection still open: %d, %v", n, err)
	}
}

// answer sends a reply without a body.
func answer(c *Call) { c.ReplyRegions(emptyReply(c.Header.CorrelationID), nil) }

func emptyReply(correlation int32) []byte {
	b := []byte{0, 0, 0, 4}
	return binary.BigEndian.AppendUint32(b, uint32(correlation))
}

func TestRepliesKeepTheOrderOfRequests(t *testing.T) {
	var mu sync.Mutex
	var held []*Call
	const n = 20
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		mu.Lock()
		defer mu.Unlock()
		if held = append(held, c); len(held) == n { // answer backwards, from elsewhere
			for i := n - 1; i >= 0; i-- {
				go answer(held[i])
			}
		}
	}), Limits{}, Options{})
	c := dial()
	for i := range int32(n) {
		c.Write(produce(i, int(i)*1000))
	}
	for i := range int32(n) {
		if got, _ := readReply(t, c); got != i {
			t.Fatalf("reply %d at place %d", got, i)
		}
	}
}

func TestOrderedRequestsWaitForTheReplyBefore(t *testing.T) {
	calls := make(chan *Call, 10)
	_, dial := serve(t, HandlerFunc(func(c *Call) { calls <- c }), Limits{}, Options{})
	c := dial()
	c.Write(append(request(apikey.Metadata, 1, 1), request(apikey.Metadata, 1, 2)...))
	first := <-calls
	select {
	case <-calls:
		t.Fatal("the second request was handled before the first was answered")
	case <-time.After(20 * time.Millisecond): // only a chance to fail
	}
	answer(first)
	answer(<-calls)
	readReply(t, c)
	readReply(t, c)
}

func TestPipelinedProduceDoesNotWait(t *testing.T) {
	calls := make(chan *Call, 10)
	_, dial := serve(t, HandlerFunc(func(c *Call) { calls <- c }), Limits{}, Options{})
	c := dial()
	c.Write(append(append(produce(1, 10), produce(2, 3000)...), request(apikey.Metadata, 1, 3)...))
	a, b := <-calls, <-calls
	meta := <-calls // may start behind two-stage requests that are not answered
	answer(meta)
	answer(b)
	answer(a)
	for want := int32(1); want <= 3; want++ {
		if got, _ := readReply(t, c); got != want {
			t.Fatalf("reply %d, want %d", got, want)
		}
	}
}

func TestHeldCallIsTold(t *testing.T) {
	events := make(chan Event, 1)
	calls := make(chan *Call, 10)
	s, dial := serve(t, HandlerFunc(func(c *Call) {
		if c.Header.Key == apikey.Fetch {
			c.Notify(func(e Event) {
				events <- e
				answer(c)
			})
			calls <- c
			return
		}
		answer(c)
	}), Limits{}, Options{})
	fetch := request(apikey.Fetch, 4, 1)

	c := dial()
	c.Write(fetch)
	<-calls
	c.Write(request(apikey.Metadata, 1, 2))
	if e := <-events; e != NextRequest {
		t.Fatalf("event %v", e)
	}
	readReply(t, c)
	if got, _ := readReply(t, c); got != 2 {
		t.Fatalf("reply %d", got)
	}

	c.Write(fetch)
	<-calls
	c.Close()
	if e := <-events; e != Closed {
		t.Fatalf("event %v", e)
	}

	c = dial()
	c.Write(fetch)
	<-calls
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	if e := <-events; e != ShuttingDown {
		t.Fatalf("event %v", e)
	}
	readReply(t, c)
	mustBeClosed(t, c)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestNotifyAfterTheEvent(t *testing.T) {
	calls := make(chan *Call, 10)
	_, dial := serve(t, HandlerFunc(func(c *Call) { calls <- c }), Limits{}, Options{})
	c := dial()
	c.Write(append(request(apikey.Fetch, 4, 1), request(apikey.Fetch, 4, 2)...))
	first := <-calls
	events := make(chan Event, 1)
	first.Notify(func(e Event) { events <- e })
	if e := <-events; e != NextRequest {
		t.Fatalf("event %v", e)
	}
	answer(first)
	second := <-calls
	c.Close()
	second.Notify(func(e Event) { events <- e })
	if e := <-events; e != Closed {
		t.Fatalf("event %v", e)
	}
	answer(second) // to nobody
}

// regionsReply answers with head bytes and file regions in turn; it returns
// what must arrive.
func regionsReply(c *Call, f *os.File, content []byte, sizes []int, released *atomic.Int32) (want []byte) {
	head := []byte{0, 0, 0, 0}
	head = binary.BigEndian.AppendUint32(head, uint32(c.Header.CorrelationID))
	var regions []Region
	off := 0
	for i, n := range sizes {
		head = append(head, fmt.Sprintf("<%d>", i)...)
		want = append(want, fmt.Sprintf("<%d>", i)...)
		regions = append(regions, Region{At: len(head), File: f, Off: int64(off), Len: n, Release: func() { released.Add(1) }})
		want = append(want, content[off:off+n]...)
		off += n
	}
	head, want = append(head, "end"...), append(want, "end"...)
	binary.BigEndian.PutUint32(head, uint32(len(want)+4))
	c.ReplyRegions(head, regions)
	return want
}

func TestRegions(t *testing.T) {
	content := make([]byte, 8<<20)
	for i := range content {
		content[i] = byte(i * 31 >> 7)
	}
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sizes := [][]int{{100}, {0, 5, 20000, 1}, {3 << 20, 10, 4 << 20}, {copyBelow, copyBelow + 1}, {}}
	var released, expected atomic.Int32
	wants := make(chan []byte, 100)
	h := HandlerFunc(func(c *Call) {
		s := sizes[int(c.Header.CorrelationID)%len(sizes)]
		expected.Add(int32(len(s)))
		wants <- regionsReply(c, f, content, s, &released)
	})
	check := func(t *testing.T, c net.Conn) {
		go func() {
			for i := range int32(15) {
				c.Write(request(apikey.Fetch, 4, i))
			}
		}()
		for i := range int32(15) {
			got, body := readReply(t, c)
			if want := <-wants; got != i || !bytes.Equal(body, want) {
				t.Fatalf("reply %d: %d bytes, want %d", got, len(body), len(want))
			}
		}
	}
	t.Run("tcp", func(t *testing.T) {
		_, dial := serve(t, h, Limits{}, Options{})
		check(t, dial())
	})
	t.Run("pipe", func(t *testing.T) {
		l, dial := Pipe()
		s := NewServer(Options{})
		go s.Serve(l, "PIPE", h, Limits{})
		c, err := dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		check(t, c)
		c.Close()
		s.Close()
	})
	for i := 0; released.Load() != expected.Load() && i < 1000; i++ { // the last release follows the last byte
		time.Sleep(time.Millisecond)
	}
	if released.Load() != expected.Load() {
		t.Fatalf("%d regions released of %d", released.Load(), expected.Load())
	}
}

func TestRegionBeyondTheFileClosesTheConnection(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, n := range []int{100, copyBelow * 4} { // copied, sent with sendfile
		var released atomic.Int32
		_, dial := serve(t, HandlerFunc(func(c *Call) {
			head := binary.BigEndian.AppendUint32(emptyReply(0)[:4], 1)
			binary.BigEndian.PutUint32(head, uint32(4+n))
			c.ReplyRegions(head, []Region{{At: 8, File: f, Len: n, Release: func() { released.Add(1) }}})
		}), Limits{}, Options{})
		c := dial()
		c.Write(request(apikey.Fetch, 4, 1))
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if b, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") || len(b) > 8 {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		for i := 0; released.Load() == 0 && i < 1000; i++ {
			time.Sleep(time.Millisecond)
		}
		if released.Load() != 1 {
			t.Fatal("region kept")
		}
	}
}

func TestPanicCostsOnlyItsConnection(t *testing.T) {
	s, dial := serve(t, HandlerFunc(func(c *Call) {
		if c.Header.CorrelationID == 13 {
			var m map[string]int
			m["x"] = 1
		}
		answer(c)
	}), Limits{}, Options{})
	good, bad := dial(), dial()
	bad.Write(request(apikey.Metadata, 1, 13))
	mustBeClosed(t, bad)
	good.Write(request(apikey.Metadata, 1, 1))
	readReply(t, good)
	if n := s.Counters().Panics.Load(); n != 1 {
		t.Fatalf("%d panics counted", n)
	}
}

func TestCloseSendsEarlierReplies(t *testing.T) {
	calls := make(chan *Call, 2)
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		if c.Header.CorrelationID == 1 {
			calls <- c
			return
		}
		c.Close(errors.New("no"))
		answer(<-calls)
	}), Limits{}, Options{})
	c := dial()
	c.Write(append(produce(1, 5), produce(2, 5)...))
	if got, _ := readReply(t, c); got != 1 {
		t.Fatalf("reply %d", got)
	}
	mustBeClosed(t, c)
}

func TestNoReply(t *testing.T) {
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		if c.Header.CorrelationID == 1 {
			c.NoReply()
			return
		}
		answer(c)
	}), Limits{}, Options{})
	c := dial()
	c.Write(append(produce(1, 5), produce(2, 5)...))
	if got, _ := readReply(t, c); got != 2 {
		t.Fatalf("reply %d", got)
	}
}

func TestFramesArriveWhole(t *testing.T) {
	type seen struct {
		n   int
		sum uint64
	}
	got := make(chan seen, 1)
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		s := seen{n: len(c.Body)}
		for _, b := range c.Body {
			s.sum = s.sum*31 + uint64(b)
		}
		answer(c)
		got <- s
	}), Limits{}, Options{})
	c := dial()
	for _, size := range []int{0, 1, 490, 497, 498, 509, 510, 4000, 4081, 4085, 5000, firstGrant - 11, firstGrant, firstGrant + 1, nextGrant + 3, 9 << 20} {
		body := make([]byte, size)
		want := seen{n: size}
		for i := range body {
			body[i] = byte(i ^ i>>8)
			want.sum = want.sum*31 + uint64(body[i])
		}
		for _, key := range []apikey.Key{apikey.Produce, apikey.Metadata} {
			raw := request(key, 3, 1, body...)
			for len(raw) > 0 { // in uneven pieces
				n := min(len(raw), 1+size*7/10)
				c.Write(raw[:n])
				raw = raw[n:]
			}
			readReply(t, c)
			if s := <-got; s != want {
				t.Fatalf("%v of %d bytes: %+v, want %+v", key, size, s, want)
			}
		}
	}
}

func TestApiVersionsOfTheFuture(t *testing.T) {
	_, dial := serve(t, HandlerFunc(func(c *Call) { c.Close(errors.New("not asked")) }), Limits{}, Options{})
	c := dial()
	c.Write(request(apikey.ApiVersions, 99, 5, 0))
	got, body := readReply(t, c)
	resp := kmsg.NewPtrApiVersionsResponse()
	if err := resp.ReadFrom(body); err != nil || got != 5 || resp.ErrorCode != 35 || len(resp.ApiKeys) != 1 || resp.ApiKeys[0].MaxVersion != 4 {
		t.Fatalf("reply %d: %+v %v", got, resp, err)
	}
}

func TestClient(t *testing.T) {
	before := runtime.NumGoroutine()
	l, dial := Pipe()
	s := NewServer(Options{})
	go s.Serve(l, "PIPE", HandlerFunc(func(c *Call) {
		req, err := c.Request()
		if err != nil {
			c.Close(err)
			return
		}
		resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
		key := req.(*kmsg.FindCoordinatorRequest).CoordinatorKey
		if key == "silence" {
			return
		}
		resp.Host = key
		c.Reply(resp)
	}), Limits{})
	c, err := Dial(context.Background(), dial, "me")
	if err != nil {
		t.Fatal(err)
	}
	do := func(ctx context.Context, key string) (kmsg.Response, error) {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.Version, req.CoordinatorKey = 3, key
		return c.Do(ctx, req)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			key := fmt.Sprint("host", i)
			resp, err := do(context.Background(), key)
			if err != nil || resp.(*kmsg.FindCoordinatorResponse).Host != key {
				t.Errorf("%v %v", resp, err)
			}
		}()
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	if _, err := do(ctx, "silence"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("silence: %v", err)
	}
	cancel()
	go func() {
		for c.Err() == nil { // until the request below is on its way or has failed
			runtime.Gosched()
			c.mu.Lock()
			n := len(c.pending)
			c.mu.Unlock()
			if n == 2 {
				s.Close()
				return
			}
		}
	}()
	if _, err := do(context.Background(), "late"); err == nil {
		t.Fatal("a request survived its connection")
	}
	<-c.Done()
	if _, err := do(context.Background(), "later"); err == nil {
		t.Fatal("a dead client works")
	}
	c.Close()
	noMoreGoroutinesThan(t, before)
	if _, err := dial(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("dial of a closed listener: %v", err)
	}
}

// A peer that takes the connection and reads nothing (it was paused) holds nobody
// for longer than they want to wait.
func TestClientOfAPeerThatReadsNothing(t *testing.T) {
	l, dial := Pipe()
	defer l.Close()
	go l.Accept()
	c, err := Dial(context.Background(), dial, "me")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, lose := context.WithCancel(context.Background())
	defer lose()
	ask := func(ctx context.Context, size int) chan error {
		failed := make(chan error, 1)
		go func() {
			_, err := c.Do(ctx, &kmsg.EnvelopeRequest{RequestData: make([]byte, size)})
			failed <- err
		}()
		return failed
	}
	must := func(failed chan error, want error) {
		t.Helper()
		select {
		case err := <-failed:
			if !errors.Is(err, want) {
				t.Fatalf("%v, want %v", err, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("still held")
		}
	}
	large := ask(ctx, 4*pipeBuffer)
	waitUntil(t, func() bool { return len(c.writing) == 1 })
	soon, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	must(ask(soon, 1), context.DeadlineExceeded) // behind the large one
	lose()
	must(large, context.Canceled)
	<-c.Done()
}

func TestClientRefusesNonsense(t *testing.T) {
	for _, raw := range []string{"\xff\xff\xff\xff", "\x00\x00\x00\x02", "\x7f\xff\xff\xff", "\x00\x00\x00\x04\x00\x00\x00\x63"} {
		l, dial := Pipe()
		go func() {
			c, _ := l.Accept()
			c.Read(make([]byte, 100))
			c.Write([]byte(raw))
		}()
		c, err := Dial(context.Background(), dial, "me")
		if err != nil {
			t.Fatal(err)
		}
		req := kmsg.NewPtrMetadataRequest()
		if _, err := c.Do(context.Background(), req); err == nil {
			t.Fatalf("%x was taken for a response", raw)
		}
		c.Close()
		l.Close()
	}
}

// A client may say all it has to say, close its half, and read on: netcat -N
// and simple clients do. What it asked is answered, then the connection ends.
func TestAPeerThatSendsNothingMoreIsAnswered(t *testing.T) {
	calls := make(chan *Call, 10)
	s, _ := serve(t, HandlerFunc(func(c *Call) { calls <- c }), Limits{}, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l, "TCP", HandlerFunc(func(c *Call) { calls <- c }), Limits{})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write(request(apikey.Metadata, 1, 7))
	call := <-calls
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	held := make(chan Event, 1)
	call.Notify(func(e Event) { held <- e }) // comes when the reader has seen the end
	if e := <-held; e != Closed {
		t.Fatalf("told %v", e)
	}
	answer(call)
	if got, _ := readReply(t, c); got != 7 {
		t.Fatalf("reply %d", got)
	}
	mustBeClosed(t, c)
}
