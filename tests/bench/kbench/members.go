package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// crowd is the members of one group, each on a connection of its own and
// heartbeating as it is told, and what is known of them together.
type crowd struct {
	o      options
	addr   string
	begin  time.Time
	stop   chan struct{}
	dials  chan struct{} // tokens: that many connect at the same time
	wg     sync.WaitGroup
	owners []atomic.Int32 // of each partition: how many members believe that it is theirs
	owned  atomic.Int64   // sum of owners
	twice  atomic.Int64   // partitions that were ever owned by two members
	beats  atomic.Int64
	errs   atomic.Int64
	why    atomic.Value
	change atomic.Int64 // when anything changed for anybody, since begin
	joined atomic.Int64
}

func newCrowd(o options, addr string) *crowd {
	return &crowd{o: o, addr: addr, begin: time.Now(), stop: make(chan struct{}), dials: make(chan struct{}, 64), owners: make([]atomic.Int32, o.partitions)}
}

func (c *crowd) changed() { c.change.Store(int64(time.Since(c.begin))) }

func (c *crowd) fail(why any) {
	c.errs.Add(1)
	c.why.Store(fmt.Sprint(why))
}

// member is one KIP-848 member.
type member struct {
	c      *crowd
	w      *wire
	id     string
	epoch  int32
	full   bool // the next heartbeat tells everything
	owned  []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic
	unsaid bool // what it owns has changed since it last told
}

// run is a member's life.
func (m *member) run(addr string) {
	c := m.c
	defer c.wg.Done()
	c.dials <- struct{}{}
	w, err := dialWire(addr, "")
	<-c.dials
	if err != nil {
		c.fail(err)
		return
	}
	defer w.conn.Close()
	m.w, m.full = w, true
	for {
		wait := m.beat()
		select {
		case <-c.stop:
			m.epoch, m.unsaid, m.full = -1, false, false
			m.beat()
			return
		case <-time.After(wait):
		}
	}
}

// beat sends one heartbeat and returns when to send the next.
func (m *member) beat() time.Duration {
	r, err := m.w.do(m.request())
	m.c.beats.Add(1)
	if err != nil {
		m.c.fail(err)
		return time.Second
	}
	resp := r.(*kmsg.ConsumerGroupHeartbeatResponse)
	if resp.ErrorCode != 0 {
		m.c.fail(resp.ErrorCode)
		return 500 * time.Millisecond
	}
	if m.full {
		m.full = false
		m.c.joined.Add(1)
	}
	if m.epoch != resp.MemberEpoch {
		m.epoch = resp.MemberEpoch
		m.c.changed()
	}
	if resp.MemberID != nil {
		m.id = *resp.MemberID
	}
	if resp.Assignment == nil {
		return time.Duration(resp.HeartbeatIntervalMillis) * time.Millisecond
	}
	m.take(resp.Assignment.Topics)
	return 0 // acknowledge at once, as the Java client does
}

func (m *member) request() *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version = 1
	req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = m.c.o.group, m.id, m.epoch, -1
	switch {
	case m.full:
		assignor := "uniform"
		req.RebalanceTimeoutMillis, req.SubscribedTopicNames, req.ServerAssignor = 60_000, []string{m.c.o.topic}, &assignor
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	case m.unsaid:
		m.unsaid = false
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for _, t := range m.owned {
			rt := kmsg.NewConsumerGroupHeartbeatRequestTopic()
			rt.TopicID, rt.Partitions = t.TopicID, t.Partitions
			req.Topics = append(req.Topics, rt)
		}
	}
	return req
}

// take makes an assignment the member's own.
func (m *member) take(topics []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic) {
	m.own(m.owned, -1)
	m.own(topics, 1)
	m.owned, m.unsaid = topics, true
	m.c.changed()
}

func (m *member) own(topics []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic, n int32) {
	for _, t := range topics {
		for _, p := range t.Partitions {
			m.c.owned.Add(int64(n))
			if m.c.owners[p].Add(n) > 1 {
				m.c.twice.Add(1)
			}
		}
	}
}

func (c *crowd) launch(i int) {
	c.wg.Add(1)
	m := &member{c: c, id: fmt.Sprintf("%s-m%06d", c.o.group, i)}
	go m.run(spread(c.addr, i, c.o.addresses))
}

// settle waits until every partition is owned once and nothing has changed for
// longer than a heartbeat interval, and returns how long after from the last
// change was; -1 if that takes longer than limit.
func (c *crowd) settle(from time.Duration, members int, limit time.Duration) time.Duration {
	const quiet = 8 * time.Second
	for {
		time.Sleep(50 * time.Millisecond)
		last, now := time.Duration(c.change.Load()), time.Since(c.begin)
		if int(c.owned.Load()) == c.o.partitions && int(c.joined.Load()) >= members && now-max(last, from) > quiet {
			return last - from
		}
		if now-from > limit {
			return -1
		}
	}
}

// members times (a) the join of -n members, until all have what they are to have,
// (b) their steady load, (c) how long one more takes.
func members(ctx context.Context, o options) error {
	if err := raiseFileLimit(uint64(o.n) + 200); err != nil {
		return err
	}
	addr, err := o.coordinator(ctx, o.group)
	if err != nil {
		return err
	}
	c := newCrowd(o, addr)
	used := cpu(o.pid)
	for i := range o.n {
		c.launch(i)
	}
	join := c.settle(0, o.n, 10*time.Minute)
	joinCPU := cpu(o.pid) - used
	beats, used, at := c.beats.Load(), cpu(o.pid), time.Now()
	time.Sleep(o.duration)
	span := time.Since(at).Seconds()
	rate, steady, memory := float64(c.beats.Load()-beats)/span, (cpu(o.pid)-used)/span*100, rss(o.pid)
	used = cpu(o.pid)
	from := time.Since(c.begin)
	c.launch(o.n)
	one := c.settle(from, o.n+1, 5*time.Minute)
	why := c.why.Load()
	fmt.Printf("mode=members n=%d partitions=%d join_all_s=%.2f join_cpu_s=%.2f hb_per_s=%.0f steady_cpu_pct=%.2f rss_mib=%.0f one_more_s=%.2f one_more_cpu_s=%.2f owned=%d owned_twice=%d errors=%d last_error=%v\n",
		o.n, o.partitions, join.Seconds(), joinCPU, rate, steady, memory, one.Seconds(), cpu(o.pid)-used, c.owned.Load(), c.twice.Load(), c.errs.Load(), why)
	c.end()
	return nil
}

// end lets everybody leave, for a while.
func (c *crowd) end() {
	close(c.stop)
	done := make(chan struct{})
	go func() { c.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
	}
}
