package conn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("server closed")

// Options of a Server.
type Options struct {
	Logger *zap.Logger // nil = silent
	// RequestBytes bounds the request bytes held at one time by all listeners
	// (queued.max.request.bytes); 0 or less = no bound. Requests that fit into
	// a connection's peek buffer are not counted.
	RequestBytes int64
}

// Counters are sums since the server was made, but for Open, which is now.
type Counters struct {
	Open, Accepted, Refused, Panics, Requests, BytesIn, BytesOut atomic.Int64
}

// Server serves any number of listeners and owns their connections.
type Server struct {
	log      *zap.Logger
	budget   *budget
	counters Counters
	believed atomic.Int64    // bytes of memory for what has not arrived yet, at most maxBelieved
	ctx      context.Context // ends with Close: whoever waits for budget gives up
	cancel   context.CancelFunc
	wg       sync.WaitGroup // acceptors, readers and the janitor

	mu        sync.Mutex
	listeners []*listener
	conns     map[*Conn]struct{}
	janitor   bool
	closing   bool
	wake      chan struct{} // tells the janitor that limits or connections are new
}

// listener is one open port.
type listener struct {
	net.Listener
	name    string
	handler Handler
	limits  Limits
	slots   chan struct{} // one token a connection when MaxConnections is set
	perIP   map[netip.Addr]int
}

// NewServer makes a Server.
func NewServer(o Options) *Server {
	s := &Server{log: o.Logger, budget: newBudget(o.RequestBytes), conns: map[*Conn]struct{}{}, wake: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Counters are live; read them any time.
func (s *Server) Counters() *Counters { return &s.counters }

// Serve accepts and serves connections of l until Shutdown or Close; name is
// the listener's name. It closes l.
func (s *Server) Serve(l net.Listener, name string, h Handler, lim Limits) error {
	ln := &listener{Listener: l, name: name, handler: h, limits: lim.withDefaults(), perIP: map[netip.Addr]int{}}
	if n := ln.limits.MaxConnections; n > 0 {
		ln.slots = make(chan struct{}, n)
	}
	if !s.open(ln) {
		l.Close()
		return ErrServerClosed
	}
	defer s.wg.Done()
	defer l.Close()
	return s.accept(ln)
}

// open registers ln and counts its acceptor, unless the server is closing.
func (s *Server) open(ln *listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listeners = append(s.listeners, ln)
	s.wg.Add(1)
	if !s.janitor {
		s.janitor = true
		s.wg.Add(1)
		go s.clean()
	}
	return true
}

// accept waits a little after a failure (no descriptors left, mostly) rather
// than give up the port.
func (s *Server) accept(ln *listener) error {
	var delay time.Duration
	for {
		if !s.takeSlot(ln) {
			return ErrServerClosed
		}
		nc, err := ln.Accept()
		if err == nil {
			delay = 0
			s.welcome(ln, nc)
			continue
		}
		ln.freeSlot()
		if s.isClosing() || errors.Is(err, net.ErrClosed) {
			return ErrServerClosed
		}
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.log.Warn("accept failed", zap.String("listener", ln.name), zap.Error(err), zap.Duration("next", delay))
		select {
		case <-time.After(delay):
		case <-s.ctx.Done():
		}
	}
}

func (s *Server) takeSlot(ln *listener) bool {
	if ln.slots == nil {
		return !s.isClosing()
	}
	select {
	case ln.slots <- struct{}{}:
		return !s.isClosing()
	case <-s.ctx.Done():
		return false
	}
}

func (ln *listener) freeSlot() {
	if ln.slots != nil {
		<-ln.slots
	}
}

// welcome starts the reader of a new connection, or refuses it.
func (s *Server) welcome(ln *listener, nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		if n := ln.limits.SendBuffer; n > 0 {
			tcp.SetWriteBuffer(n)
		}
		if n := ln.limits.ReceiveBuffer; n > 0 {
			tcp.SetReadBuffer(n)
		}
	}
	c := &Conn{srv: s, ln: ln, nc: nc, raw: rawOf(nc)}
	c.changed.L = &c.mu
	c.authenticated.Store(ln.limits.MaxFrameUnauthenticated == 0)
	c.act.opened = sinceEpoch(time.Now())
	if !s.admit(ln, c) {
		s.counters.Refused.Add(1)
		nc.Close()
		ln.freeSlot()
		return
	}
	go c.serve()
}

func (s *Server) admit(ln *listener, c *Conn) bool {
	ip := addrOf(c.nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, own := ln.limits.PerIP[ip]
	if !own {
		limit = ln.limits.MaxPerIP
	}
	if s.closing || (own || limit > 0) && ln.perIP[ip] >= limit {
		return false
	}
	ln.perIP[ip]++
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	s.counters.Accepted.Add(1)
	s.counters.Open.Add(1)
	return true
}

// forget is the reader's last act.
func (s *Server) forget(c *Conn) {
	ip := addrOf(c.nc)
	s.mu.Lock()
	delete(s.conns, c)
	if c.ln.perIP[ip]--; c.ln.perIP[ip] == 0 {
		delete(c.ln.perIP, ip)
	}
	s.mu.Unlock()
	s.counters.Open.Add(-1)
	c.ln.freeSlot()
	s.wg.Done()
}

// ended reports why a connection ended, unless the peer just left.
func (s *Server) ended(c *Conn, err error) {
	if peerIsGone(err) || s.isClosing() {
		return
	}
	s.log.Info("closed connection", zap.String("listener", c.ln.name), zap.Stringer("peer", c.nc.RemoteAddr()), zap.Error(err))
}

func addrOf(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Shutdown stops accepting and reading, has held calls answered, and waits
// until every reply is written. When ctx ends first, the rest is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.beginClose() {
		c.beginDrain()
	}
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
		s.Close()
		<-done
		return ctx.Err()
	}
}

// Close ends everything at once.
func (s *Server) Close() error {
	for _, c := range s.beginClose() {
		c.end(ErrServerClosed)
	}
	s.cancel()
	s.wg.Wait()
	return nil
}

// beginClose closes the listeners and returns the connections.
func (s *Server) beginClose() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for _, ln := range s.listeners {
		ln.Close()
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	conns := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}
