//go:build unix

package groupcoord

import (
	"fmt"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// crowdMember is a client below the socket: it does what a KIP-848 consumer does,
// and comes back when its answers say.
type crowdMember struct {
	c     *crowd
	id    string
	mu    sync.Mutex
	epoch int32
	topic []kmsg.ConsumerGroupHeartbeatRequestTopic // told with the next heartbeat
}

type crowd struct {
	svc     *Service
	reached sync.Map     // epoch → *atomic.Int64, how many members are there
	beats   atomic.Int64 // heartbeats sent
	stopped atomic.Bool
	failed  atomic.Pointer[string]
}

func (c *crowd) at(epoch int32) *atomic.Int64 {
	n, _ := c.reached.LoadOrStore(epoch, new(atomic.Int64))
	return n.(*atomic.Int64)
}

func (m *crowdMember) send() {
	if m.c.stopped.Load() {
		return
	}
	m.c.beats.Add(1)
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	m.mu.Lock()
	r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis, r.Topics = 1, "g", m.id, m.epoch, -1, m.topic
	if m.epoch == 0 {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 300_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	m.topic = nil
	m.mu.Unlock()
	hold := func(func()) bool { return true } // nothing else comes on its connection
	m.c.svc.ConsumerGroupHeartbeat(Caller{ClientID: "c", Host: "/h", Hold: hold}, r, m.answered)
}

func (m *crowdMember) answered(r *kmsg.ConsumerGroupHeartbeatResponse) {
	if r.ErrorCode != 0 {
		text := fmt.Sprint(m.id, ": ", kerr.ErrorForCode(r.ErrorCode))
		m.c.failed.CompareAndSwap(nil, &text)
		return
	}
	wait := time.Duration(r.HeartbeatIntervalMillis) * time.Millisecond
	m.mu.Lock()
	if r.MemberEpoch != m.epoch {
		m.epoch = r.MemberEpoch
		m.c.at(r.MemberEpoch).Add(1)
	}
	if r.Assignment != nil {
		m.topic = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for _, t := range r.Assignment.Topics {
			m.topic = append(m.topic, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: t.TopicID, Partitions: t.Partitions})
		}
		wait = 0 // it has done what it was told
	}
	m.mu.Unlock()
	time.AfterFunc(wait, m.send)
}

// settled waits until n members are in one epoch.
func (c *crowd) settled(b *testing.B, n int) time.Duration {
	began := time.Now()
	for time.Since(began) < 2*time.Minute {
		if text := c.failed.Load(); text != nil {
			b.Fatal(*text)
		}
		there := false
		c.reached.Range(func(_, v any) bool {
			there = v.(*atomic.Int64).Load() >= int64(n)
			return !there
		})
		if there {
			return time.Since(began)
		}
		time.Sleep(2 * time.Millisecond)
	}
	b.Fatalf("%d members do not come together", n)
	return 0
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// BenchmarkCrowd is a group of 100,000 members and partitions, without sockets
// and disk, whose members and their timers are part of what is measured:
//
//	go test ./groupcoord -run '^$' -bench Crowd -benchtime 1x
func BenchmarkCrowd(b *testing.B) {
	const members = 100_000
	log := &sink{}
	topics := catalog{Topic: {ids.TopicID{15: 1}, 1}, "t": {ids.TopicID{15: 7}, members}}
	cfg := DefaultConfig()
	s := New(Options{
		Config: cfg, Log: log, Clock: runtime.SystemClock{}, Logger: zap.NewNop(), Image: topics.image, Topics: topics,
	})
	defer s.Close()
	log.OnCommit = s.Committed
	s.Lead(0, 1)
	for loaded := false; !loaded; {
		done := make(chan int16, 1)
		s.OffsetFetch(fetchOf("g", 8, ""), func(r *kmsg.OffsetFetchResponse) { done <- r.Groups[0].ErrorCode })
		loaded = <-done != kerr.CoordinatorLoadInProgress.Code
	}
	for range b.N {
		c := &crowd{svc: s}
		list := make([]*crowdMember, members+1)
		for i := range list {
			list[i] = &crowdMember{c: c, id: fmt.Sprintf("member-%06d", i)}
		}
		for _, m := range list[:members] {
			m.send()
		}
		b.ReportMetric(c.settled(b, members).Seconds(), "s-all-join")
		const steady = 10 * time.Second
		cpu, beats := cpuSeconds(), c.beats.Load()
		time.Sleep(steady)
		b.ReportMetric((cpuSeconds()-cpu)/steady.Seconds()*100, "%-core-steady")
		b.ReportMetric(float64(c.beats.Load()-beats)/steady.Seconds(), "heartbeats/s")
		list[members].send()
		b.ReportMetric(c.settled(b, members+1).Seconds(), "s-one-more")
		goruntime.GC()
		var mem goruntime.MemStats
		goruntime.ReadMemStats(&mem)
		b.ReportMetric(float64(mem.HeapAlloc)/(1<<20), "MiB-live")
		b.ReportMetric(float64(mem.Sys-mem.HeapReleased)/(1<<20), "MiB-held")
		c.stopped.Store(true)
	}
}
