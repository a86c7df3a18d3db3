package consumer

import (
	"fmt"
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// crowd is a group at rest of many members and partitions.
type crowd struct {
	gs   *Groups
	at   Moment
	town *town
	n    int
}

func newCrowd(t testing.TB, members, partitions int) *crowd {
	cfg := testConfig()
	cfg.MaxSize = 1 << 30
	c := &crowd{gs: New(cfg), town: &town{topics: map[string]Topic{"t": {Name: "t", ID: ids.TopicID{1}, Partitions: int32(partitions)}}}}
	c.at = Moment{Now: 1_000_000, Image: c.town}
	for range members {
		c.join(t)
	}
	c.rest(t)
	return c
}

func (c *crowd) request(id string, epoch int32) *Beat {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, "g", id, epoch, -1
	if epoch == 0 {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 60_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	return &Beat{Req: r, ClientID: "c", Host: "/h"}
}

func (c *crowd) join(t testing.TB) string {
	c.n++
	id := fmt.Sprintf("member-%08d", c.n)
	g := c.gs.Get("g")
	if g == nil {
		g = c.gs.Create("g")
	}
	_, d, bad := c.gs.Heartbeat(g, c.request(id, 0), nil, c.at)
	if bad != nil {
		t.Fatal(bad.Message)
	}
	c.append(t, d.Records)
	return id
}

func (c *crowd) append(t testing.TB, list []runtime.Record) {
	for _, r := range list {
		replay(t, c.gs, r, false, c.at.Now)
	}
	c.gs.TakeNews(func(string, string) {})
	c.gs.Told()
}

// rest lets everybody get to the same epoch, giving up at once what is to be.
func (c *crowd) rest(t testing.TB) {
	g := c.gs.Get("g")
	for g.State() != Stable {
		c.at.Now += 2_000
		for at, ok := c.gs.Deadline(); ok && at <= c.at.Now; at, ok = c.gs.Deadline() {
			c.append(t, c.gs.Expire(c.at).Records)
		}
		for _, m := range append([]*Member{}, g.list...) {
			b := c.request(m.ID, m.Epoch)
			if m.State == MemberUnrevoked {
				b.Req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
			}
			_, d, bad := c.gs.Heartbeat(g, b, nil, c.at)
			if bad != nil {
				t.Fatal(bad.Message)
			}
			c.append(t, d.Records)
		}
	}
}

func TestHeartbeatWithoutNewsAllocatesNothing(t *testing.T) {
	c := newCrowd(t, 20, 10)
	g := c.gs.Get("g")
	b := c.request("member-00000007", g.epoch)
	if n := testing.AllocsPerRun(100, func() {
		c.at.Now++
		if r, d, bad := c.gs.Heartbeat(g, b, nil, c.at); bad != nil || !r.Idle || d.Records != nil {
			t.Fatalf("%+v %+v %v", r, d, bad)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// One member that joins a large group writes for itself and for those whose
// partitions it gets, not for all.
func TestOneMoreWritesLittle(t *testing.T) {
	c := newCrowd(t, 300, 1000)
	g := c.gs.Get("g")
	c.at.Now += 10_000
	id := fmt.Sprintf("member-%08d", c.n+1)
	_, d, bad := c.gs.Heartbeat(g, c.request(id, 0), nil, c.at)
	if bad != nil || len(d.Records) > 10 {
		t.Fatalf("%d records, %v", len(d.Records), bad)
	}
}

func BenchmarkHeartbeatWithoutNews(b *testing.B) {
	c := newCrowd(b, 1000, 1000)
	g := c.gs.Get("g")
	beats := make([]*Beat, 1000)
	for i := range beats {
		beats[i] = c.request(fmt.Sprintf("member-%08d", i+1), g.epoch)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.gs.Heartbeat(g, beats[i%len(beats)], nil, c.at)
	}
}

// BenchmarkOneMore is one member that joins and is assigned, decided and replayed;
// the others do not move meanwhile.
func BenchmarkOneMore(b *testing.B) {
	for _, size := range []struct{ members, partitions int }{{10_000, 5_000}, {100_000, 100_000}} {
		b.Run(fmt.Sprint(size.members), func(b *testing.B) {
			c := newCrowd(b, size.members, size.partitions)
			for b.Loop() {
				c.at.Now += 10_000
				c.join(b)
			}
		})
	}
}
