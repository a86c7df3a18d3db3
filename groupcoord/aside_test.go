package groupcoord

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// joinsWith is the first heartbeat of a member that subscribes to an expression.
func joinsWith(group, regex string) *kmsg.ConsumerGroupHeartbeatRequest {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.RebalanceTimeoutMillis, r.SubscribedTopicRegex = 1, group, "m-"+group, 20_000, &regex
	r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return r
}

// TestMatchingKeepsNobodyWaiting: while expressions are matched, which may take
// long, every request to the same partition is answered, also of the same group;
// and not more of them are matched at a time than the configuration says.
func TestMatchingKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(func(c *Config) { c.OffsetsPartitions, c.BackgroundThreads = 1, 2 })
		h.topics[Topic] = catalogEntry{h.topics[Topic].id, 1}
		at, goOn := make(chan int, 1), make(chan struct{})
		at <- 0
		h.names = func() { // counts the searches that are at a name, and holds them there
			at <- <-at + 1
			<-goOn
			at <- <-at - 1
		}
		h.lead(1)
		beat := func(r *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
			a := ask(func(r *kmsg.ConsumerGroupHeartbeatRequest, reply func(*kmsg.ConsumerGroupHeartbeatResponse)) {
				h.svc.ConsumerGroupHeartbeat(Caller{}, r, reply)
			}, r)
			if a == nil || a.ErrorCode != 0 {
				t.Fatalf("heartbeat of %s: %+v", r.Group, a)
			}
			return a
		}
		const groups = 5
		epochs := map[string]int32{}
		for i := range groups {
			id := fmt.Sprint("g", i)
			epochs[id] = beat(joinsWith(id, "t|u")).MemberEpoch
		}
		if n := <-at; n != 2 {
			t.Fatalf("%d groups' expressions are matched at a time", n)
		} else {
			at <- n
		}
		for id, epoch := range epochs {
			r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, id, "m-"+id, epoch, -1
			if a := beat(r); a.Assignment != nil {
				t.Fatalf("%s has something before its expression is matched: %+v", id, a.Assignment)
			}
		}
		if c := ask(h.svc.OffsetCommit, commitOf("simple", "t", 8, 5)); c == nil || c.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatalf("commit: %+v", c)
		}
		close(goOn)
		synctest.Wait()
		h.clock.Advance(1_000)
		synctest.Wait()
		for id, epoch := range epochs {
			r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, id, "m-"+id, epoch, -1
			if a := beat(r); a.Assignment == nil || len(a.Assignment.Topics) != 2 {
				t.Fatalf("%s: %+v", id, a)
			}
		}
		h.svc.Close()
	})
}

// TestMatchingEndsWithTheService: Close waits for a search no longer than it takes
// to look at one more name, and those that wait for their turn never begin.
func TestMatchingEndsWithTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(func(c *Config) { c.BackgroundThreads = 1 })
		looked, goOn := 0, make(chan struct{})
		h.names = func() {
			looked++ // by one at a time
			<-goOn
		}
		h.lead(1)
		for i := range 3 {
			h.svc.ConsumerGroupHeartbeat(Caller{}, joinsWith(fmt.Sprint("g", i), ".*"), func(*kmsg.ConsumerGroupHeartbeatResponse) {})
		}
		synctest.Wait()
		closed := false
		go func() {
			h.svc.Close()
			closed = true
		}()
		synctest.Wait()
		if closed || looked != 1 {
			t.Fatalf("closed %v after %d names", closed, looked)
		}
		goOn <- struct{}{}
		synctest.Wait()
		if !closed || looked != 1 {
			goOn <- struct{}{}
			synctest.Wait()
		}
		if !closed || looked > 2 {
			t.Fatalf("closed %v after %d names", closed, looked)
		}
	})
}
