package groupcoord

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// simPartitions is how many partitions the simulated consumers share.
const simPartitions = 5

// eager is a well-behaved client of the classic protocol, eager: it gives up
// what it owns before it joins again.
type eager struct {
	name     string
	instance *string
	member   string
	gen      int32
	next     string // what it does next: join, sync, beat
	assign   []kmsg.SyncGroupRequestGroupAssignment
	owned    []byte
	waiting  bool // for an answer
	life     int  // answers to an earlier life are ignored
}

// fleet is a group under random trouble.
type fleet struct {
	t         *rapid.T
	h         *house
	consumers []*eager
	epoch     ids.LeaderEpoch
	born      int
	leading   bool

	acked     [simPartitions]int64          // the last commit that was acknowledged
	attempts  [simPartitions]map[int64]bool // those since, of which nobody knows
	committed int64
	ackedGen  int32
}

// TestGroupsSurviveTrouble: whatever happens, no partition has two owners in one
// generation, no acknowledged offset is lost, no stale member commits, and when
// the trouble is over everybody ends in the same generation with all partitions.
func TestGroupsSurviveTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) { // a bubble has no deadline to tell
			f := &fleet{t: rt, h: newHouse(func(c *Config) { c.InitialRebalanceDelay = 1000 }), epoch: 1}
			defer f.h.close()
			for i := range simPartitions {
				f.attempts[i] = map[int64]bool{}
				f.acked[i] = -1
			}
			f.h.topics["t"] = catalogEntry{f.h.topics["t"].id, simPartitions}
			for range rapid.IntRange(5, 120).Draw(rt, "steps") {
				f.step(rapid.IntRange(0, 19).Draw(rt, "op"))
				synctest.Wait()
				f.checkOwners()
			}
			f.settle()
		})
	})
}

func (f *fleet) step(op int) {
	switch {
	case op == 0 && len(f.consumers) < 5:
		f.born++
		c := &eager{name: fmt.Sprint("c", f.born), next: "join"}
		if rapid.Bool().Draw(f.t, "static") {
			c.instance = &c.name
		}
		f.consumers = append(f.consumers, c)
	case op == 1 && len(f.consumers) > 0: // dies, and a static one comes back
		c := f.pick()
		c.reset()
		c.life++
		c.waiting = false
	case op == 2:
		f.move()
	case op == 3:
		f.h.log.Hold = !f.h.log.Hold
		if !f.h.log.Hold {
			f.commitAll()
		}
	case op == 4:
		if f.h.log.Fail == nil {
			f.h.log.Fail = func(int32) error { return kerr.NotEnoughReplicas }
		} else {
			f.h.log.Fail = nil
		}
	case op == 5 && len(f.consumers) > 0: // leaves for good
		c := f.pick()
		f.leave(c)
	case op < 9:
		f.h.clock.Advance(rapid.Int64Range(1, 4000).Draw(f.t, "ms"))
	case op < 12 && len(f.consumers) > 0:
		f.commit(f.pick())
	case len(f.consumers) > 0:
		f.act(f.pick())
	}
}

func (f *fleet) pick() *eager {
	return f.consumers[rapid.IntRange(0, len(f.consumers)-1).Draw(f.t, "consumer")]
}

func (f *fleet) commitAll() {
	for p := range int32(2) {
		f.h.log.Commit(p)
	}
}

// move moves the leadership: away, or back with a log that may be compacted.
func (f *fleet) move() {
	if f.leading {
		f.h.resign()
		f.leading = false
		return
	}
	f.lead()
}

func (f *fleet) lead() {
	for p := range int32(2) {
		f.h.log.Compact(p, nil)
	}
	f.epoch++
	f.h.lead(f.epoch)
	f.leading = true
}

func (c *eager) reset() {
	c.owned, c.member, c.gen, c.next, c.assign = nil, "", 0, "join", nil
}

// act sends the consumer's next request, unless it waits for an answer.
func (f *fleet) act(c *eager) {
	if c.waiting {
		return
	}
	c.waiting = true
	life := c.life
	answered := func(handle func()) {
		if c.life == life {
			c.waiting = false
			handle()
		}
	}
	switch c.next {
	case "join":
		c.owned = nil
		f.h.svc.JoinGroup(Caller{ClientID: c.name, Host: "/h"}, c.joinRequest(), func(r *kmsg.JoinGroupResponse) { answered(func() { c.joined(r) }) })
	case "sync":
		r := kmsg.NewPtrSyncGroupRequest()
		r.Group, r.MemberID, r.InstanceID, r.Generation, r.GroupAssignment = "g", c.member, c.instance, c.gen, c.assign
		f.h.svc.SyncGroup(r, func(r *kmsg.SyncGroupResponse) { answered(func() { c.synced(r) }) })
	case "beat":
		r := kmsg.NewPtrHeartbeatRequest()
		r.Group, r.MemberID, r.InstanceID, r.Generation = "g", c.member, c.instance, c.gen
		f.h.svc.Heartbeat(Caller{}, r, func(r *kmsg.HeartbeatResponse) { answered(func() { c.failed(r.ErrorCode) }) })
	}
}

func (c *eager) joinRequest() *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID, r.ProtocolType = 9, "g", c.member, c.instance, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 6000, 8000
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p", Metadata: []byte(c.name)}}
	return r
}

func (c *eager) joined(r *kmsg.JoinGroupResponse) {
	if r.ErrorCode == kerr.MemberIDRequired.Code {
		c.member = r.MemberID
		return
	}
	if c.failed(r.ErrorCode) {
		return
	}
	c.member, c.gen, c.next, c.assign = r.MemberID, r.Generation, "sync", nil
	if r.LeaderID != c.member || r.SkipAssignment {
		return
	}
	parts := map[int][]byte{}
	for p := range simPartitions {
		i := p % len(r.Members)
		parts[i] = append(parts[i], byte(p))
	}
	for i, m := range r.Members {
		c.assign = append(c.assign, kmsg.SyncGroupRequestGroupAssignment{MemberID: m.MemberID, MemberAssignment: parts[i]})
	}
}

func (c *eager) synced(r *kmsg.SyncGroupResponse) {
	if !c.failed(r.ErrorCode) {
		c.owned, c.next = r.MemberAssignment, "beat"
	}
}

// failed does what an error asks for; false when there is none.
func (c *eager) failed(code int16) bool {
	switch code {
	case 0:
		return false
	case kerr.UnknownMemberID.Code, kerr.FencedInstanceID.Code:
		c.reset()
	case kerr.IllegalGeneration.Code, kerr.RebalanceInProgress.Code:
		c.owned, c.next = nil, "join"
	}
	return true // otherwise: ask again
}

func (f *fleet) leave(c *eager) {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version, r.Group = 5, "g"
	r.Members = []kmsg.LeaveGroupRequestMember{{MemberID: c.member, InstanceID: c.instance}}
	c.life++
	if c.member != "" {
		f.h.svc.LeaveGroup(r, func(*kmsg.LeaveGroupResponse) {})
	}
	for i := range f.consumers {
		if f.consumers[i] == c {
			f.consumers = append(f.consumers[:i], f.consumers[i+1:]...)
			break
		}
	}
}

// commit commits the next number for one of the partitions the consumer owns.
func (f *fleet) commit(c *eager) {
	if len(c.owned) == 0 {
		return
	}
	p := int32(c.owned[0])
	f.committed++
	n, gen := f.committed, c.gen
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID, r.Generation = 8, "g", c.member, c.instance, c.gen
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: p, Offset: n}}}}
	f.attempts[p][n] = true
	f.h.svc.OffsetCommit(r, func(r *kmsg.OffsetCommitResponse) {
		switch code := r.Topics[0].Partitions[0].ErrorCode; code {
		case 0:
			if gen < f.ackedGen {
				f.t.Errorf("generation %d committed after generation %d", gen, f.ackedGen)
			}
			f.ackedGen = gen
			if n > f.acked[p] {
				f.acked[p] = n
			}
		case kerr.UnknownMemberID.Code, kerr.IllegalGeneration.Code, kerr.FencedInstanceID.Code, kerr.RebalanceInProgress.Code:
			delete(f.attempts[p], n) // refused before anything was written
		}
	})
}

func (f *fleet) checkOwners() {
	owner := map[[2]int32]string{}
	for _, c := range f.consumers {
		for _, p := range c.owned {
			key := [2]int32{int32(p), c.gen}
			if other, taken := owner[key]; taken {
				f.t.Fatalf("partition %d has two owners in generation %d: %s and %s", p, c.gen, other, c.name)
			}
			owner[key] = c.name
		}
	}
}

// settle ends the trouble and waits until the group has found itself.
func (f *fleet) settle() {
	f.h.log.Fail, f.h.log.Hold = nil, false
	f.commitAll()
	if !f.leading {
		f.lead()
	}
	synctest.Wait()
	rounds := 0
	for ; rounds < 100 && !f.settled(); rounds++ {
		for _, c := range f.consumers {
			f.act(c)
			synctest.Wait()
		}
		f.h.clock.Advance(1000)
		synctest.Wait()
		f.checkOwners()
	}
	if !f.settled() {
		f.t.Fatalf("not settled after %d rounds", rounds)
	}
	f.checkOffsets()
}

// settled: all in one generation, all partitions owned, and it has been so that
// nobody waits.
func (f *fleet) settled() bool {
	owned := 0
	for _, c := range f.consumers {
		if c.next != "beat" || c.waiting || c.gen != f.consumers[0].gen {
			return false
		}
		owned += len(c.owned)
	}
	return len(f.consumers) == 0 || owned == simPartitions
}

// checkOffsets: what was acknowledged is there, or something later that was tried.
func (f *fleet) checkOffsets() {
	resp := ask(f.h.svc.OffsetFetch, fetchOf("g", 8, "t", 0, 1, 2, 3, 4))
	if resp == nil || resp.Groups[0].ErrorCode != 0 {
		f.t.Fatalf("fetch: %+v", resp)
	}
	for _, p := range resp.Groups[0].Topics[0].Partitions {
		if p.Offset != f.acked[p.Partition] && (p.Offset < f.acked[p.Partition] || !f.attempts[p.Partition][p.Offset]) {
			f.t.Fatalf("partition %d is at %d, acknowledged %d, tried %v", p.Partition, p.Offset, f.acked[p.Partition], f.attempts[p.Partition])
		}
	}
}
