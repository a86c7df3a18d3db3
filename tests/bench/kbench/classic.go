package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// classicInterval is the clients' heartbeat.interval.ms.
const classicInterval = 3 * time.Second

// classicCrowd is the members of one classic group, each on a connection of its
// own, which announces itself as the Java client does.
type classicCrowd struct {
	o     options
	addr  string
	stop  chan struct{}
	dials chan struct{}
	wg    sync.WaitGroup
	beats atomic.Int64
	errs  atomic.Int64
	why   atomic.Value

	mu         sync.Mutex
	generation int32
	synced     int           // members in that generation
	all        chan struct{} // closed when want are
	want       int
	joinSent   time.Time // by the last one that came
}

// classicMember is one of them.
type classicMember struct {
	c          *classicCrowd
	w          *wire
	id         string
	generation int32
	interval   *time.Timer
}

func (m *classicMember) run(addr string) {
	defer m.c.wg.Done()
	m.c.dials <- struct{}{}
	w, err := dialWire(addr, "apache-kafka-java")
	<-m.c.dials
	if err != nil {
		m.c.fail(err)
		return
	}
	defer w.conn.Close()
	m.w = w
	for {
		if err := m.join(); err != nil {
			m.c.fail(err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if !m.live() {
			m.leave()
			return
		}
	}
}

// join goes through one rebalance.
func (m *classicMember) join() error {
	r, err := m.w.do(m.joinRequest())
	if err != nil {
		return err
	}
	joined := r.(*kmsg.JoinGroupResponse)
	if m.id = joined.MemberID; joined.ErrorCode == kerr.MemberIDRequired.Code {
		return m.join()
	}
	if joined.ErrorCode != 0 {
		return kerr.ErrorForCode(joined.ErrorCode)
	}
	req := kmsg.NewPtrSyncGroupRequest()
	kind, protocol := "consumer", "range"
	req.Version, req.Group, req.MemberID, req.Generation, req.ProtocolType, req.Protocol = 5, m.c.o.group, m.id, joined.Generation, &kind, &protocol
	for _, other := range joined.Members {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = other.MemberID, []byte(other.MemberID)
		req.GroupAssignment = append(req.GroupAssignment, a)
	}
	if r, err = m.w.do(req); err != nil {
		return err
	}
	if code := r.(*kmsg.SyncGroupResponse).ErrorCode; code == kerr.RebalanceInProgress.Code {
		return m.join()
	} else if code != 0 {
		return kerr.ErrorForCode(code)
	}
	m.generation = joined.Generation
	m.c.synchronised(joined.Generation)
	return nil
}

func (m *classicMember) joinRequest() *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.ProtocolType = 9, m.c.o.group, m.id, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 45_000, 60_000
	p := kmsg.NewJoinGroupRequestProtocol()
	// A subscription to one topic, version 0, as clients write it.
	p.Name, p.Metadata = "range", append([]byte{0, 0, 0, 0, 0, 1, 0, byte(len(m.c.o.topic))}, append([]byte(m.c.o.topic), 0xff, 0xff, 0xff, 0xff)...)
	req.Protocols = append(req.Protocols, p)
	if m.id != "" {
		m.c.sentJoin()
	}
	return req
}

// live heartbeats until a rebalance begins (true) or the crowd ends. As in the
// Java client the interval runs from one sending to the next.
func (m *classicMember) live() bool {
	for {
		sent := time.Now()
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation = 4, m.c.o.group, m.id, m.generation
		r, err := m.w.do(req)
		m.c.beats.Add(1)
		if err != nil {
			m.c.fail(err)
			return true
		}
		if code := r.(*kmsg.HeartbeatResponse).ErrorCode; code != 0 {
			return true
		}
		select {
		case <-m.c.stop:
			return false
		case <-time.After(time.Until(sent.Add(classicInterval))):
		}
	}
}

func (m *classicMember) leave() {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = 5, m.c.o.group
	g := kmsg.NewLeaveGroupRequestMember()
	g.MemberID = m.id
	req.Members = append(req.Members, g)
	_, _ = m.w.do(req)
}

func (c *classicCrowd) fail(why any) {
	c.errs.Add(1)
	c.why.Store(fmt.Sprint(why))
}

func (c *classicCrowd) sentJoin() {
	c.mu.Lock()
	c.joinSent = time.Now()
	c.mu.Unlock()
}

// synchronised counts a member into a generation.
func (c *classicCrowd) synchronised(generation int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		c.generation, c.synced = generation, 0
	}
	if c.synced++; c.synced == c.want {
		close(c.all)
	}
}

func (c *classicCrowd) expect(n int) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want, c.all = n, make(chan struct{})
	return c.all
}

// classic times the first rebalance of -n members, their steady load, and the
// rebalance that one more begins: from its joining until all are assigned, and
// from the last of all JoinGroups until then.
func classic(ctx context.Context, o options) error {
	if err := raiseFileLimit(uint64(o.n) + 200); err != nil {
		return err
	}
	addr, err := o.coordinator(ctx, o.group)
	if err != nil {
		return err
	}
	c := &classicCrowd{o: o, addr: addr, stop: make(chan struct{}), dials: make(chan struct{}, 64)}
	launch := func() {
		c.wg.Add(1)
		go (&classicMember{c: c}).run(addr)
	}
	all, start := c.expect(o.n), time.Now()
	for range o.n {
		launch()
	}
	<-all
	join := time.Since(start)
	beats, used, at := c.beats.Load(), cpu(o.pid), time.Now()
	time.Sleep(o.duration)
	span := time.Since(at).Seconds()
	rate, steady, memory := float64(c.beats.Load()-beats)/span, (cpu(o.pid)-used)/span*100, rss(o.pid)
	all, start = c.expect(o.n+1), time.Now()
	launch()
	<-all
	one := time.Since(start)
	c.mu.Lock()
	after := time.Since(c.joinSent)
	c.mu.Unlock()
	fmt.Printf("mode=classic n=%d join_all_s=%.2f hb_per_s=%.0f steady_cpu_pct=%.2f rss_mib=%.0f one_more_s=%.2f after_last_join_s=%.3f errors=%d last_error=%v\n",
		o.n, join.Seconds(), rate, steady, memory, one.Seconds(), after.Seconds(), c.errs.Load(), c.why.Load())
	close(c.stop)
	done := make(chan struct{})
	go func() { c.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
	}
	return nil
}
