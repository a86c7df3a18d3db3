// Package api answers the requests of controller listeners: one numbered file
// a key and one explicit table that lists them.
//
// Flow: conn.Server calls Server.Handle on the connection's read goroutine; the
// table finds the handler by key; the handler gives the request to the quorum
// (raft's own messages) or to the active controller (everything that changes
// metadata), which answer later from goroutines of their own. A request that a
// broker passed on for its client comes in an Envelope and goes through the
// same table.
//
// Invariants:
//   - A key is answered exactly if apikey says that controllers serve it: New
//     fails when the table and apikey disagree.
//   - A handler never waits.
//   - Every request is answered once, or its connection is closed.
package api

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/controller/active"
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/pulse"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errNotServed closes the connection, as Kafka does for a key or version that
// its listener does not have.
var errNotServed = errors.New("api key or version is not served by this listener")

// Active is the controller of this node, which may or may not be the active one.
type Active interface {
	Do(cmd active.Command, patience time.Duration, reply active.Reply)
	Image() *image.Image
	Leader() ids.LeaderAndEpoch
	PeerSeen()
}

// Quorum is this node's replica of the metadata log.
type Quorum interface {
	// Handle answers a request of raft. reply is called exactly once.
	Handle(req kmsg.Request, reply func(kmsg.Response))
	// KRaftVersion is the level of kraft.version.
	KRaftVersion() int16
}

// Pulse is told on which connection a broker sends its heartbeats; *pulse.Watch is one.
type Pulse interface {
	Heard(l pulse.Line, id ids.NodeID, epoch int64)
}

// Parts is what handlers are made of.
type Parts struct {
	Node   decide.Node
	Active Active
	Quorum Quorum
	// Pulse watches the connections that carry heartbeats; may be nil.
	Pulse Pulse
	// UnstableVersions is unstable.api.versions.enable.
	UnstableVersions bool
}

// request is one request, be it of its own or out of an envelope.
type request struct {
	header frame.Header
	body   kmsg.Request
	// listener is the name of the listener it came in through.
	listener string
	line     pulse.Line // the connection; nil out of an envelope
	// forwarded: a broker sent it on for its client.
	forwarded bool
	// principal is the name of who asks, as the broker found out; "" for anybody.
	principal string
	// reply answers. Exactly one of reply and refuse is called, once.
	reply func(kmsg.Response)
	// refuse hangs up, or tells the broker so that passed the request on.
	refuse func(error)
}

// user is the name that quotas know who asks by.
func (r *request) user() string {
	if r.principal == "" {
		return anonymousName
	}
	return r.principal
}

// fail answers with an error for the whole request.
func (r *request) fail(err *decide.Error) { r.reply(failure(r.body, err)) }

// handle answers one request, now or later.
type handle func(*request)

// Server is the conn.Handler of controller listeners.
type Server struct {
	parts     Parts
	handles   []handle // by key
	mutations mutations
	// configured is the configuration as of the last image that was asked for.
	configured atomic.Pointer[layered]
}

// New wires the handlers of table.go.
func New(p Parts) (*Server, error) {
	s := &Server{parts: p, handles: make([]handle, len(apikey.All())), mutations: mutations{buckets: map[bucketKey]*bucket{}}}
	if v := p.Node.Config; v != nil {
		s.mutations.window = float64(v.Int("controller.quota.window.num")) * float64(v.Int("controller.quota.window.size.seconds"))
	}
	for _, r := range s.routes() {
		e, ok := apikey.Lookup(r.key)
		if !ok || !e.Served(apikey.Controller) || s.handles[r.key] != nil {
			return nil, fmt.Errorf("controller api table: %v is unknown, not served by controllers, or there twice", r.key)
		}
		s.handles[r.key] = r.handle
	}
	for _, e := range apikey.All() {
		if e.Served(apikey.Controller) && s.handles[e.Key] == nil {
			return nil, fmt.Errorf("controller api table: %v is missing", e.Key)
		}
	}
	return s, nil
}

// Handle implements conn.Handler.
func (s *Server) Handle(c *conn.Call) {
	if !s.serves(c.Header) {
		c.Close(fmt.Errorf("%w: %v version %d", errNotServed, c.Header.Key, c.Header.Version))
		return
	}
	body, err := c.Request()
	if err != nil {
		c.Close(err)
		return
	}
	s.handles[c.Header.Key](&request{header: c.Header, body: body, listener: c.Listener, line: c.Conn, reply: c.Reply, refuse: c.Close})
}

func (s *Server) serves(h frame.Header) bool {
	e, ok := apikey.Lookup(h.Key)
	return ok && e.Served(apikey.Controller) && e.Enabled(h.Version, s.parts.UnstableVersions)
}

// typed makes a handle of a function that takes the decoded request.
func typed[R kmsg.Request](f func(*request, R)) handle {
	return func(r *request) { f(r, r.body.(R)) }
}

// command makes a handle that lets the active controller decide.
func command[R kmsg.Request](a Active, f func(*decide.Env, R) (decide.Decision, error)) handle {
	return typed(func(r *request, body R) {
		a.Do(func(e *decide.Env) (decide.Decision, error) {
			e.Forwarded = r.forwarded
			return f(e, body)
		}, patience(body), r.answer)
	})
}

// patience is for how long the answer to a request is waited for; as in Kafka,
// not every request that names a time means it.
func patience(body kmsg.Request) time.Duration {
	switch body.(type) {
	case *kmsg.CreateTopicsRequest, *kmsg.DeleteTopicsRequest, *kmsg.CreatePartitionsRequest, *kmsg.ElectLeadersRequest, *kmsg.AlterPartitionAssignmentsRequest:
		return time.Duration(body.(kmsg.TimeoutRequest).Timeout()) * time.Millisecond
	}
	return active.Patient
}

// answer is the active.Reply of a request.
func (r *request) answer(resp kmsg.Response, err error) {
	if err == nil {
		r.reply(resp)
		return
	}
	var known *decide.Error
	if !errors.As(err, &known) {
		known = &decide.Error{Code: kerr.UnknownServerError.Code}
	}
	if r.forwarded && known.Code == kerr.NotController.Code {
		r.refuse(known) // the broker is to look for the right one, not its client
		return
	}
	r.fail(known)
}

// raft makes a handle that lets the quorum answer.
func (s *Server) raft() handle {
	return func(r *request) { s.parts.Quorum.Handle(r.body, r.reply) }
}
