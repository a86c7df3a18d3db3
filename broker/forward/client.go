package forward

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("the client of the controller is closed")

// Peer is one connection to a controller; *conn.Client is one.
type Peer interface {
	Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
	Done() <-chan struct{}
	Close() error
}

// Options of a Client.
type Options struct {
	// Dial connects to a controller. In the combined role it may be a pipe.
	Dial func(ctx context.Context, node ids.NodeID) (Peer, error)
	// RequestTimeout bounds Forward and what has no deadline of its own (request.timeout.ms).
	RequestTimeout time.Duration
	// RetryBackoff is the pause before a request is sent again to the same leader; 0 = 50 ms.
	RetryBackoff time.Duration
	Logger       *zap.Logger
}

// Client sends requests to the active controller. It is safe for concurrent use.
type Client struct {
	o Options

	// dialing is held while a connection is made, so that waiters share it.
	dialing chan struct{}

	mu      sync.Mutex // guards what follows; a leaf, nothing is called under it
	leader  ids.LeaderAndEpoch
	changed chan struct{} // closed when leader changes or the client is closed
	peer    Peer          // nil: none
	peerOf  ids.LeaderAndEpoch
	closed  bool
}

// New makes a client that knows no leader yet.
func New(o Options) *Client {
	if o.RetryBackoff == 0 {
		o.RetryBackoff = 50 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return &Client{o: o, dialing: make(chan struct{}, 1), changed: make(chan struct{}),
		leader: ids.LeaderAndEpoch{Leader: ids.NoNode, Epoch: ids.NoEpoch}}
}

// SetLeader tells the client who leads the quorum. Older epochs are ignored.
func (c *Client) SetLeader(l ids.LeaderAndEpoch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || l == c.leader || l.Epoch < c.leader.Epoch {
		return
	}
	c.leader = l
	close(c.changed)
	c.changed = make(chan struct{})
	if c.peer != nil && c.peerOf.Leader != l.Leader {
		time.AfterFunc(formerGrace, c.leaveFormer)
	}
}

// formerGrace is how long a former leader may take to answer what it was asked
// before: one that is well turns it down at once, and one that was paused or cut
// off must not keep requests from the new leader.
const formerGrace = 100 * time.Millisecond

// leaveFormer breaks the connection unless it is the leader's, or none.
func (c *Client) leaveFormer() {
	c.mu.Lock()
	peer := c.peer
	former := peer != nil && c.peerOf.Leader != c.leader.Leader
	c.mu.Unlock()
	if former {
		c.drop(peer)
	}
}

// Leader is the leader known now; Leader.Leader may be NoNode.
func (c *Client) Leader() ids.LeaderAndEpoch {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leader
}

// Close breaks the connection; requests on their way fail with ErrClosed.
func (c *Client) Close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	peer := c.peer
	c.peer = nil
	close(c.changed)
	c.mu.Unlock()
	if peer != nil {
		peer.Close()
	}
}

// Do sends req to the active controller and waits for its answer. It goes on
// trying until ctx ends; the error then names the last obstacle. The version of
// req must be set.
func (c *Client) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	var obstacle error
	for {
		resp, changed, err := c.try(ctx, req)
		if err == nil || errors.Is(err, ErrClosed) {
			return resp, err
		}
		if ctx.Err() == nil || obstacle == nil {
			obstacle = err // and not merely that the time is up
		}
		if ctx.Err() != nil || !c.pause(ctx, changed) {
			return nil, fmt.Errorf("%w; last: %w", ctx.Err(), obstacle)
		}
		c.o.Logger.Debug("request to the controller is repeated", zap.Int16("key", req.Key()), zap.Error(err))
	}
}

// try sends req once. The channel tells that there is another leader to try.
func (c *Client) try(ctx context.Context, req kmsg.Request) (kmsg.Response, <-chan struct{}, error) {
	peer, changed, err := c.connect(ctx)
	if err != nil {
		return nil, changed, err
	}
	resp, err := peer.Do(ctx, req)
	if err == nil && notController(resp) {
		// The connection stays: a node that was just elected says so until it is
		// ready, and breaking it would send what else is on its way twice.
		return nil, changed, kerr.NotController
	}
	if err != nil {
		// Silence for as long as the request may take is as good as a broken
		// connection; that the caller lost interest is not.
		if !errors.Is(ctx.Err(), context.Canceled) {
			c.drop(peer)
		}
		return nil, changed, err
	}
	return resp, changed, nil
}

// pause waits for the backoff, or less when the leader changes meanwhile. It
// returns false when ctx ended.
func (c *Client) pause(ctx context.Context, changed <-chan struct{}) bool {
	t := time.NewTimer(c.o.RetryBackoff)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-t.C:
	}
	return true
}

// connect returns the connection to the leader, made if need be, and the
// channel that tells that this leader is not the leader any more.
func (c *Client) connect(ctx context.Context) (Peer, <-chan struct{}, error) {
	for {
		peer, leader, changed, err := c.current()
		if peer != nil || err != nil {
			return peer, changed, err
		}
		if leader.Leader == ids.NoNode {
			select {
			case <-ctx.Done():
				return nil, changed, fmt.Errorf("no controller is known: %w", ctx.Err())
			case <-changed:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil, changed, ctx.Err()
		case <-changed:
			continue
		case c.dialing <- struct{}{}:
		}
		err = c.dialWhile(ctx, leader, changed)
		<-c.dialing
		if err != nil {
			return nil, changed, fmt.Errorf("controller %d: %w", leader.Leader, err)
		}
	}
}

// current returns the open connection to the present leader, or nil.
func (c *Client) current() (Peer, ids.LeaderAndEpoch, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, c.leader, c.changed, ErrClosed
	}
	if c.peer != nil && c.peerOf.Leader == c.leader.Leader {
		select {
		case <-c.peer.Done():
			c.peer = nil
		default:
			return c.peer, c.leader, c.changed, nil
		}
	}
	return nil, c.leader, c.changed, nil
}

// dialWhile is dial for as long as leader leads: a node that was paused accepts
// connections and says nothing.
func (c *Client) dialWhile(ctx context.Context, leader ids.LeaderAndEpoch, changed <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return c.dial(ctx, leader)
}

// dial connects to leader unless somebody has meanwhile, or it leads no more.
func (c *Client) dial(ctx context.Context, leader ids.LeaderAndEpoch) error {
	if peer, now, _, err := c.current(); peer != nil || err != nil || now != leader {
		return err
	}
	peer, err := c.o.Dial(ctx, leader.Leader)
	if err != nil {
		return err
	}
	c.mu.Lock()
	old := c.peer
	c.peer, c.peerOf = peer, leader
	if c.closed {
		old, c.peer = peer, nil
	}
	c.mu.Unlock()
	if old != nil {
		old.Close()
	}
	return nil
}

// drop closes a connection that failed, if it is still the one in use.
func (c *Client) drop(peer Peer) {
	c.mu.Lock()
	if c.peer == peer {
		c.peer = nil
	}
	c.mu.Unlock()
	peer.Close()
}

// notController tells whether the answer says that its sender is not the
// active controller.
func notController(resp kmsg.Response) bool {
	code := int16(0)
	switch r := resp.(type) {
	case *kmsg.EnvelopeResponse:
		code = r.ErrorCode
	case *kmsg.BrokerRegistrationResponse:
		code = r.ErrorCode
	case *kmsg.BrokerHeartbeatResponse:
		code = r.ErrorCode
	case *kmsg.AllocateProducerIDsResponse:
		code = r.ErrorCode
	case *kmsg.AlterPartitionResponse:
		code = r.ErrorCode
	case *kmsg.AssignReplicasToDirsResponse:
		code = r.ErrorCode
	case *kmsg.UnregisterBrokerResponse:
		code = r.ErrorCode
	case *kmsg.ControllerRegistrationResponse:
		code = r.ErrorCode
	case *kmsg.CreateTopicsResponse:
		for _, t := range r.Topics {
			if t.ErrorCode == kerr.NotController.Code {
				code = t.ErrorCode
			}
		}
	}
	return code == kerr.NotController.Code
}
