package raftio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// network sends the core's requests. A node is reached by two lines: one for
// fetches, which the leader holds, and one for all else, so that a vote never waits behind
// a held fetch. A line is dialled when it is needed.
type network struct {
	node *Node
	mu   sync.Mutex
	line map[lineKey]*line
	// strange are the addresses of which it was said that another cluster is there.
	strange map[string]bool
	wait    sync.WaitGroup
}

type lineKey struct {
	id      ids.NodeID
	fetches bool
}

// line is a connection to one address. Dialling happens under its lock: there is at most one
// request of the core under way a node, so nobody waits for long.
type line struct {
	mu     sync.Mutex
	addr   string
	client *conn.Client
	peer   *peerVersions // what is told is never changed
}

func newNetwork(n *Node) *network {
	return &network{node: n, line: map[lineKey]*line{}, strange: map[string]bool{}}
}

// send carries out one request and queues its reply, or what took its place.
func (w *network) send(m raft.Message) {
	w.wait.Add(1)
	go func() {
		defer w.wait.Done()
		reply := raft.Message{Call: m.Call, From: m.To.ID}
		body, err := w.exchange(m)
		if err != nil {
			body = raft.Unreachable{Refused: errors.Is(err, syscall.ECONNREFUSED)}
		}
		reply.Body = body
		w.node.receive(reply)
	}()
}

func (w *network) exchange(m raft.Message) (raft.Body, error) {
	ctx, cancel := context.WithTimeout(w.node.ctx, w.node.o.Config.RequestTimeout)
	defer cancel()
	_, fetches := m.Body.(raft.FetchRequest)
	l := w.lineTo(lineKey{m.To.ID, fetches})
	addr := w.node.o.address(m.To.Endpoints)
	client, peer, err := l.open(ctx, w.node, addr)
	if err != nil {
		return nil, err
	}
	if _, ok := m.Body.(raft.VersionsRequest); ok {
		return peer.reply(), nil
	}
	req, refused := encodeRequest(m.Body, &w.node.o, peer)
	if refused != nil {
		return refused, nil
	}
	resp, err := client.Do(ctx, req)
	if err != nil {
		l.drop(client)
		if again := w.refused(ctx, addr, err); again != nil {
			return nil, again
		}
		return nil, err
	}
	if refusal(resp) == raft.InconsistentCluster && w.isNews(addr) {
		w.node.o.Logger.Warn("A node of another cluster answers: either this node has another's folder, or controller.quorum.bootstrap.servers or controller.quorum.voters names another's controller",
			zap.String("address", addr), zap.String("cluster of this node", w.node.o.ClusterID))
	}
	return decodeResponse(resp)
}

// isNews tells whether that another cluster is at addr has not been said yet.
func (w *network) isNews(addr string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := w.strange[addr]
	w.strange[addr] = true
	return !said
}

// refusal is why a node refuses a request as a whole.
func refusal(resp kmsg.Response) raft.Code {
	switch r := resp.(type) {
	case *kmsg.FetchResponse:
		return raft.Code(r.ErrorCode)
	case *kmsg.FetchSnapshotResponse:
		return raft.Code(r.ErrorCode)
	case *kmsg.VoteResponse:
		return raft.Code(r.ErrorCode)
	case *kmsg.BeginQuorumEpochResponse:
		return raft.Code(r.ErrorCode)
	}
	return raft.None
}

// refused looks, after a connection broke, whether the port still answers: a process that
// died is known at once, without waiting for timeouts.
func (w *network) refused(ctx context.Context, addr string, broken error) error {
	if errors.Is(broken, context.DeadlineExceeded) || errors.Is(broken, context.Canceled) {
		return nil
	}
	c, err := w.node.dial(ctx, addr)
	if err != nil {
		return err
	}
	c.Close()
	return nil
}

func (w *network) lineTo(k lineKey) *line {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.line[k]
	if l == nil {
		l = &line{}
		w.line[k] = l
	}
	return l
}

// open returns a living connection to addr.
func (l *line) open(ctx context.Context, n *Node, addr string) (*conn.Client, *peerVersions, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != nil && (l.addr != addr || l.client.Err() != nil) {
		l.client.Close()
		l.client = nil
	}
	if l.client != nil {
		return l.client, l.peer, nil
	}
	c, err := conn.Dial(ctx, func(ctx context.Context) (net.Conn, error) { return n.dial(ctx, addr) }, clientID(n.o.NodeID))
	if err != nil {
		return nil, nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	peer, err := askVersions(ctx, c)
	if err != nil {
		c.Close()
		return nil, nil, fmt.Errorf("ApiVersions of %s: %w", addr, err)
	}
	l.addr, l.client, l.peer = addr, c, peer
	return c, peer, nil
}

func (l *line) drop(c *conn.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Close()
	if l.client == c {
		l.client = nil
	}
}

func (w *network) close() {
	w.mu.Lock()
	lines := w.line
	w.line = map[lineKey]*line{}
	w.mu.Unlock()
	for _, l := range lines {
		l.mu.Lock()
		if l.client != nil {
			l.client.Close()
		}
		l.mu.Unlock()
	}
	w.wait.Wait()
}

func (n *Node) dial(ctx context.Context, addr string) (net.Conn, error) {
	if n.o.Dial != nil {
		return n.o.Dial(ctx, addr)
	}
	d := net.Dialer{Timeout: n.o.Config.RequestTimeout, KeepAlive: 15 * time.Second}
	return d.DialContext(ctx, "tcp", addr)
}

func clientID(id ids.NodeID) string { return "raft-client-" + strconv.Itoa(int(id)) }

// address is the endpoint of the quorum's listener, or the only one there is.
func (o *Options) address(es []raft.Endpoint) string {
	e := es[0]
	for _, x := range es {
		if x.Name == o.ListenerName {
			e = x
			break
		}
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

func parseAddress(addr string) (raft.Endpoint, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return raft.Endpoint{}, fmt.Errorf("bootstrap server %q: %w", addr, err)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return raft.Endpoint{}, fmt.Errorf("bootstrap server %q: %w", addr, err)
	}
	return raft.Endpoint{Host: host, Port: uint16(p)}, nil
}

// peerVersions is what a node answered to ApiVersions.
type peerVersions struct {
	max      map[int16]int16
	known    bool // it named kraft.version
	min, top int16
}

func (p *peerVersions) reply() raft.Body {
	return raft.VersionsReply{Known: p.known, MinKRaft: p.min, MaxKRaft: p.top}
}

// version is the highest version of req that both know; ok is false when that is below min.
func (p *peerVersions) version(req kmsg.Request, min int16) (v int16, ok bool) {
	v, ok = p.max[req.Key()]
	if v > req.MaxVersion() {
		v = req.MaxVersion()
	}
	return v, ok && v >= min
}

// askVersions asks a node what it speaks. Ranges that begin at level 0, that of
// kraft.version for one, are told from version 4 on, which Kafka before 3.9 lacks.
func askVersions(ctx context.Context, c *conn.Client) (*peerVersions, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 4, "gregor", "1"
	resp, err := c.Do(ctx, req)
	if r, ok := resp.(*kmsg.ApiVersionsResponse); err == nil && ok && r.ErrorCode == int16(raft.UnsupportedVersion) {
		req.Version = 3
		resp, err = c.Do(ctx, req)
	}
	if err != nil {
		return nil, err
	}
	r, ok := resp.(*kmsg.ApiVersionsResponse)
	if !ok || r.ErrorCode != 0 {
		return nil, fmt.Errorf("refused: %T", resp)
	}
	return newPeerVersions(r), nil
}

func newPeerVersions(r *kmsg.ApiVersionsResponse) *peerVersions {
	p := &peerVersions{max: map[int16]int16{}}
	for _, k := range r.ApiKeys {
		p.max[k.ApiKey] = k.MaxVersion
	}
	for _, f := range r.SupportedFeatures {
		if f.Name == "kraft.version" {
			p.known, p.min, p.top = true, f.MinVersion, f.MaxVersion
		}
	}
	return p
}
