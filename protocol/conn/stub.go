package conn

import (
	"context"
	"errors"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

type buffer struct{ b []byte }

// Conn is one accepted connection.
type Conn struct{}

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return nil }

// LocalAddr is the address the peer connected to.
func (c *Conn) LocalAddr() net.Addr { return nil }

// SetAuthenticated lifts Limits.MaxFrameUnauthenticated.
func (c *Conn) SetAuthenticated() {}

// Reply encodes resp and queues it.
func (c *Call) Reply(resp kmsg.Response) {}

// ReplyRegions queues prefix (a whole frame's begin, size included) followed by regions.
func (c *Call) ReplyRegions(prefix []byte, regions []Region) {}

// NoReply finishes the call without an answer (Produce with acks=0).
func (c *Call) NoReply() {}

// Close finishes the call by closing the connection because of err.
func (c *Call) Close(err error) {}

// Notify registers f to be called once when something happens that a held call
// should be answered for. If it already happened f is called at once.
func (c *Call) Notify(f func(Event)) {}

// Options of a Server.
type Options struct {
	Logger *zap.Logger // nil = silent
	// RequestBytes bounds the request bytes held at one time by all listeners
	// (queued.max.request.bytes); 0 or less = no bound.
	RequestBytes int64
}

// Server serves any number of listeners.
type Server struct{}

// NewServer makes a Server.
func NewServer(o Options) *Server { return &Server{} }

// Serve accepts and serves connections of l until Shutdown or Close; name is the listener's name.
func (s *Server) Serve(l net.Listener, name string, h Handler, lim Limits) error { return nil }

// Shutdown stops accepting, answers what is held, and waits until ctx ends at most.
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// Close ends everything at once.
func (s *Server) Close() error { return nil }

// DialFunc makes a network connection.
type DialFunc func(ctx context.Context) (net.Conn, error)

// Client is one connection to a peer, pipelined.
type Client struct{}

// ErrClientClosed is returned by Do after Close.
var ErrClientClosed = errors.New("connection closed")

// Dial connects.
func Dial(ctx context.Context, dial DialFunc, clientID string) (*Client, error) { return nil, nil }

// Do sends req (its version set) and waits for its response; concurrent calls are pipelined.
func (c *Client) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) { return nil, nil }

// Done is closed when the connection has ended; the caller dials anew.
func (c *Client) Done() <-chan struct{} { return nil }

// Close ends the connection; calls in flight fail.
func (c *Client) Close() error { return nil }

// Pipe returns an in-memory listener and the function that dials it.
func Pipe() (net.Listener, DialFunc) { return nil, nil }
