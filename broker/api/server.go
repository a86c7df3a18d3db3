// Package api answers the requests of broker listeners: one numbered file a
// key, an explicit table that lists them, and one table that turns the errors
// of the rooms below into Kafka's codes.
//
// Flow: conn.Server calls Server.Handle on the connection's read goroutine;
// the table finds the handler by key; the handler decodes, asks the rooms it
// was given, and finishes the call, now or later.
//
// Invariants:
//   - A handler is made with the parts it needs and sees nothing else.
//   - A key is answered exactly if apikey says it is served: New fails when
//     the table and apikey disagree.
//   - A handler never blocks but for bounded work (a disk read or write).
package api

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errNotServed closes the connection: Kafka, too, hangs up on a key or version
// that its listener does not have.
var errNotServed = errors.New("api key or version is not served by this listener")

// Handle answers one request; it finishes the call or keeps it to finish it later.
type Handle func(*conn.Call)

// Server is the conn.Handler of broker listeners.
type Server struct {
	handles  []Handle // by key
	unstable bool     // unstable.api.versions.enable
}

// New wires the handlers of table.go.
func New(p Parts) (*Server, error) {
	s := &Server{handles: make([]Handle, len(apikey.All())), unstable: p.UnstableVersions}
	for _, r := range routes(p) {
		if r.handle == nil {
			continue // its room is not wired in this assembly (tests)
		}
		e, ok := apikey.Lookup(r.key)
		if !ok || !e.Served(apikey.Broker) || s.handles[r.key] != nil {
			return nil, fmt.Errorf("api table: %v is unknown, not served by brokers, or there twice", r.key)
		}
		s.handles[r.key] = r.handle
	}
	return s, nil
}

// Handle implements conn.Handler.
func (s *Server) Handle(c *conn.Call) {
	e, ok := apikey.Lookup(c.Header.Key)
	if !ok || !e.Served(apikey.Broker) || !e.Enabled(c.Header.Version, s.unstable) || s.handles[e.Key] == nil {
		c.Close(fmt.Errorf("%w: %v version %d", errNotServed, c.Header.Key, c.Header.Version))
		return
	}
	s.handles[e.Key](c)
}

// Typed makes a Handle of a function that takes the decoded request. A request
// that cannot be decoded costs its connection, as with Kafka.
func Typed[R kmsg.Request](f func(*conn.Call, R)) Handle {
	return func(c *conn.Call) {
		req, err := c.Request()
		if err != nil {
			c.Close(err)
			return
		}
		f(c, req.(R))
	}
}
