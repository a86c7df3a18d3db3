package groupcoord

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/runtime/runtimetest"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// house is a Service with everything around it in memory.
type house struct {
	log    *runtimetest.Log
	clock  *runtimetest.Clock
	topics catalog
	svc    *Service
	// names, if not nil, is called before each topic that a search looks at.
	names func()
}

// catalog is Topics by name.
type catalog map[string]catalogEntry

type catalogEntry struct {
	id ids.TopicID
	n  int32
}

func (c catalog) IDOf(name string) (ids.TopicID, bool) { e, ok := c[name]; return e.id, ok }
func (c catalog) Partitions(name string) int32         { return c[name].n }
func (c catalog) NameOf(id ids.TopicID) (string, bool) {
	for name, e := range c {
		if e.id == id {
			return name, true
		}
	}
	return "", false
}

func newHouse(change func(*Config)) *house {
	h := &house{log: &runtimetest.Log{}, clock: runtimetest.NewClock(1_700_000_000_000), topics: catalog{
		Topic: {ids.TopicID{15: 1}, 2}, "t": {ids.TopicID{15: 7}, 4}, "u": {ids.TopicID{15: 8}, 1},
	}}
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	var mu sync.Mutex
	last := 0
	h.svc = New(Options{Config: cfg, Log: h.log, Topics: h.topics, Image: h.image, Clock: h.clock, Logger: zap.NewNop(), NewUUID: func() string {
		mu.Lock()
		defer mu.Unlock()
		last++
		return fmt.Sprintf("%036d", last) // as long as a UUID
	}})
	h.log.OnCommit = h.svc.Committed
	return h
}

// image is the topics as they are now.
func (h *house) image() consumer.Image { return view{maps.Clone(h.topics), h.names} }

// lead makes the service coordinate both partitions.
func (h *house) lead(epoch ids.LeaderEpoch) {
	for p := range int32(2) {
		h.svc.Lead(p, epoch)
	}
	synctest.Wait()
}

func (h *house) resign() {
	for p := range int32(2) {
		h.svc.Resign(p, ids.NoEpoch)
	}
	synctest.Wait()
}

// close ends the service also where a test failed: a bubble with goroutines left
// would tell of them instead.
func (h *house) close() {
	h.svc.Close()
	synctest.Wait()
}

// ask sends a request and returns its answer once nothing moves any more; nil
// while it is held.
func ask[Req, Resp any](f func(Req, func(*Resp)), req Req) *Resp {
	var out *Resp
	f(req, func(r *Resp) { out = r })
	synctest.Wait()
	return out
}

func (h *house) heartbeat(r *kmsg.HeartbeatRequest, reply func(*kmsg.HeartbeatResponse)) {
	h.svc.Heartbeat(Caller{}, r, reply)
}

func commitOf(group, topic string, version int16, offsets ...int64) *kmsg.OffsetCommitRequest {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.Generation = version, group, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = topic
	for i, o := range offsets {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = int32(i), o
		t.Partitions = append(t.Partitions, p)
	}
	r.Topics = append(r.Topics, t)
	return r
}

func fetchOf(group string, version int16, topic string, partitions ...int32) *kmsg.OffsetFetchRequest {
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version = version
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	if topic != "" {
		g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, Partitions: partitions}}
	}
	r.Groups = append(r.Groups, g)
	return r
}

func TestSimpleGroupCommitsAndFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		if c := ask(h.svc.OffsetCommit, commitOf("g", "t", 8, 5)).Topics[0].Partitions[0].ErrorCode; c != kerr.NotCoordinator.Code {
			t.Fatalf("without leadership: %d", c)
		}
		h.lead(1)
		resp := ask(h.svc.OffsetCommit, commitOf("g", "t", 8, 5, 6, 7, 8, 9))
		if p := resp.Topics[0].Partitions; len(p) != 5 || p[0].Partition != 4 || p[0].ErrorCode != kerr.UnknownTopicOrPartition.Code || p[1].ErrorCode != 0 {
			t.Fatalf("commit of a partition too many: %+v", p)
		}
		for reload := range 3 {
			f := ask(h.svc.OffsetFetch, fetchOf("g", 8, "t", 0, 3, 9))
			p := f.Groups[0].Topics[0].Partitions
			if f.Groups[0].ErrorCode != 0 || p[0].Offset != 5 || p[1].Offset != 8 || p[2].Offset != -1 || *p[2].Metadata != "" {
				t.Fatalf("after %d reloads: %+v", reload, f.Groups[0])
			}
			if all := ask(h.svc.OffsetFetch, fetchOf("g", 8, "")).Groups[0].Topics; len(all) != 1 || len(all[0].Partitions) != 4 {
				t.Fatalf("all offsets: %+v", all)
			}
			h.resign()
			h.log.Compact(0, nil)
			h.log.Compact(1, nil)
			h.lead(ids.LeaderEpoch(2 + reload))
		}
		h.svc.Close()
	})
}

func TestWhileLoadingNobodyHearsOfAnEmptyGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		ask(h.svc.OffsetCommit, commitOf("g", "t", 8, 5))
		h.resign()
		h.log.Blocked = make(chan struct{})
		h.lead(2)
		if c := ask(h.svc.OffsetFetch, fetchOf("g", 8, "t", 0)).Groups[0].ErrorCode; c != kerr.CoordinatorLoadInProgress.Code {
			t.Fatalf("fetch while loading: %d", c)
		}
		if c := ask(h.svc.ListGroups, kmsg.NewPtrListGroupsRequest()).ErrorCode; c != kerr.CoordinatorLoadInProgress.Code {
			t.Fatalf("list while loading: %d", c)
		}
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Group, beat.MemberID = "g", "m"
		if c := ask(h.heartbeat, beat).ErrorCode; c != 0 {
			t.Fatalf("heartbeat while loading: %d", c)
		}
		close(h.log.Blocked)
		synctest.Wait()
		if p := ask(h.svc.OffsetFetch, fetchOf("g", 8, "t", 0)).Groups[0].Topics[0].Partitions[0]; p.Offset != 5 {
			t.Fatalf("after loading: %+v", p)
		}
		h.svc.Close()
	})
}

func TestTopicsByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		req := commitOf("g", "", 10, 5)
		req.Topics[0].TopicID = h.topics["t"].id
		gone := kmsg.NewOffsetCommitRequestTopic()
		gone.TopicID = [16]byte{1}
		gone.Partitions = req.Topics[0].Partitions
		req.Topics = append(req.Topics, gone)
		resp := ask(h.svc.OffsetCommit, req)
		if len(resp.Topics) != 2 || resp.Topics[0].Partitions[0].ErrorCode != kerr.UnknownTopicID.Code || resp.Topics[1].Partitions[0].ErrorCode != 0 {
			t.Fatalf("commit by id: %+v", resp.Topics)
		}
		f := fetchOf("g", 10, "x", 0)
		f.Groups[0].Topics[0] = kmsg.OffsetFetchRequestGroupTopic{TopicID: h.topics["t"].id, Partitions: []int32{0}}
		if p := ask(h.svc.OffsetFetch, f).Groups[0].Topics[0]; p.Partitions[0].Offset != 5 || p.TopicID != h.topics["t"].id {
			t.Fatalf("fetch by id: %+v", p)
		}
		h.topics["t"] = catalogEntry{ids.TopicID{1, 2}, 4} // deleted and made anew
		f.Groups[0].Topics[0].TopicID = ids.TopicID{1, 2}
		if p := ask(h.svc.OffsetFetch, f).Groups[0].Topics[0].Partitions[0]; p.Offset != -1 {
			t.Fatalf("the new topic has the old one's offset: %+v", p)
		}
		if p := ask(h.svc.OffsetFetch, fetchOf("g", 9, "t", 0)).Groups[0].Topics[0].Partitions[0]; p.Offset != -1 {
			t.Fatalf("the new topic has the old one's offset, by name: %+v", p)
		}
		h.svc.TopicsDeleted([]DeletedTopic{{"t", ids.TopicID{15: 7}}})
		synctest.Wait()
		if all := ask(h.svc.OffsetFetch, fetchOf("g", 9, "")).Groups[0].Topics; len(all) != 0 {
			t.Fatalf("offsets of a deleted topic stay: %+v", all)
		}
		h.svc.Close()
	})
}

func TestCommitErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(func(c *Config) { c.OffsetMetadataMaxBytes = 4 })
		h.lead(1)
		long, short := "12345", "1\U0001F6002"
		req := commitOf("g", "t", 8, 1, 2)
		req.Topics[0].Partitions[0].Metadata, req.Topics[0].Partitions[1].Metadata = &long, &short
		p := ask(h.svc.OffsetCommit, req).Topics[0].Partitions
		if p[0].ErrorCode != kerr.OffsetMetadataTooLarge.Code || p[1].ErrorCode != 0 {
			t.Fatalf("metadata: %+v", p)
		}
		for version, want := range map[int16]int16{8: kerr.IllegalGeneration.Code, 9: kerr.GroupIDNotFound.Code} {
			req := commitOf("nobody", "t", version, 1)
			req.Generation, req.MemberID = 3, "m"
			if p := ask(h.svc.OffsetCommit, req).Topics[0].Partitions[0]; p.ErrorCode != want {
				t.Fatalf("version %d: %d, want %d", version, p.ErrorCode, want)
			}
		}
		h.log.Fail = func(int32) error { return kerr.NotEnoughReplicas }
		if p := ask(h.svc.OffsetCommit, commitOf("g", "t", 8, 99)).Topics[0].Partitions[0]; p.ErrorCode != kerr.CoordinatorNotAvailable.Code {
			t.Fatalf("too few replicas: %d", p.ErrorCode)
		}
		h.log.Fail = nil
		if p := ask(h.svc.OffsetFetch, fetchOf("g", 8, "t", 0, 1)).Groups[0].Topics[0].Partitions; p[0].Offset != -1 || p[1].Offset != 2 {
			t.Fatalf("what was refused is there: %+v", p)
		}
		h.svc.Close()
	})
}

func TestOffsetsExpireAndGroupsWithThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		ask(h.svc.OffsetCommit, commitOf("g", "t", 8, 5))
		early := commitOf("h", "t", 3, 5)
		early.RetentionTimeMillis = 60_000
		ask(h.svc.OffsetCommit, early)
		groups := func() int { return len(ask(h.svc.ListGroups, kmsg.NewPtrListGroupsRequest()).Groups) }
		if n := groups(); n != 2 {
			t.Fatalf("%d groups", n)
		}
		h.clock.Advance(600_000)
		synctest.Wait()
		if n := groups(); n != 1 {
			t.Fatalf("%d groups after ten minutes", n)
		}
		for range 7*24*6 + 1 {
			h.clock.Advance(600_000)
			synctest.Wait()
		}
		if n := groups(); n != 0 {
			t.Fatalf("%d groups after a week", n)
		}
		if n := h.clock.Timers(); n != 0 {
			t.Fatalf("%d timers without groups", n)
		}
		h.svc.Close()
	})
}

func TestDeleteGroupsAndOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		ask(h.svc.OffsetCommit, commitOf("g", "t", 8, 5, 6))
		del := kmsg.NewPtrOffsetDeleteRequest()
		del.Group = "g"
		del.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}, {Partition: 9}}}}
		r := ask(h.svc.OffsetDelete, del)
		if p := r.Topics[0].Partitions; r.ErrorCode != 0 || p[0].ErrorCode != kerr.UnknownTopicOrPartition.Code || p[1].ErrorCode != 0 {
			t.Fatalf("%+v", r)
		}
		del.Group = "nobody"
		if c := ask(h.svc.OffsetDelete, del).ErrorCode; c != kerr.GroupIDNotFound.Code {
			t.Fatalf("offsets of no group: %d", c)
		}
		groups := kmsg.NewPtrDeleteGroupsRequest()
		groups.Groups = []string{"g", "nobody", "g"}
		got := ask(h.svc.DeleteGroups, groups).Groups
		if len(got) != 2 || got[0].ErrorCode != 0 || got[1].ErrorCode != kerr.GroupIDNotFound.Code {
			t.Fatalf("%+v", got)
		}
		h.resign()
		h.log.Compact(0, nil)
		h.log.Compact(1, nil)
		h.lead(2)
		if l := ask(h.svc.ListGroups, kmsg.NewPtrListGroupsRequest()).Groups; len(l) != 0 {
			t.Fatalf("deleted groups are back: %+v", l)
		}
		h.svc.Close()
	})
}

// Sessions do not go by the wall clock: nobody is fenced because it is set forward,
// and who is silent is not waited for because it is set back.
func TestSessionsWhenTheClockIsSet(t *testing.T) {
	for _, jump := range []int64{-3_600_000, 3_600_000} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(nil)
			h.lead(1)
			defer h.close()
			c, m := &eager{name: "c"}, &nextGen{h: h, id: "m"}
			r := c.joinRequest()
			r.Group, r.Version = "classic", 3
			h.svc.JoinGroup(Caller{ClientID: "c", Host: "/h"}, r, c.joined)
			m.beat(nil)
			h.clock.Advance(3_000)
			synctest.Wait()
			h.clock.Set(jump)
			h.clock.Advance(5_000)
			synctest.Wait()
			beat := kmsg.NewPtrHeartbeatRequest()
			beat.Group, beat.MemberID, beat.Generation = "classic", c.member, c.gen
			if r := ask(h.heartbeat, beat); r.ErrorCode != 0 || m.beat(nil) != 0 {
				t.Fatalf("set by %d ms: %+v, %+v", jump, r, m.last)
			}
			h.clock.Set(-jump)
			h.clock.Advance(6_000)
			synctest.Wait()
			if r := ask(h.heartbeat, beat); r.ErrorCode != kerr.UnknownMemberID.Code {
				t.Fatalf("set by %d ms: silent for a session, %+v", -jump, r)
			}
			h.clock.Advance(39_000)
			synctest.Wait()
			if c := m.beat(nil); c != kerr.GroupIDNotFound.Code && c != kerr.UnknownMemberID.Code {
				t.Fatalf("set by %d ms: silent for a session, %+v", -jump, m.last)
			}
		})
	}
}

// A consumer that commits is alive, also when its heartbeats are late.
func TestACommitIsAsGoodAsAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		defer h.close()
		c := &eager{name: "c"}
		r := c.joinRequest()
		r.Version = 3
		h.svc.JoinGroup(Caller{ClientID: "c", Host: "/h"}, r, c.joined)
		synctest.Wait()
		h.clock.Advance(3_000) // the initial delay
		synctest.Wait()
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Group, sync.MemberID, sync.Generation, sync.GroupAssignment = "g", c.member, c.gen, c.assign
		c.synced(ask(h.svc.SyncGroup, sync))
		for range 3 {
			h.clock.Advance(5_000) // of a session of 6 s
			synctest.Wait()
			commit := commitOf("g", "t", 8, 1)
			commit.MemberID, commit.Generation = c.member, c.gen
			if r := ask(h.svc.OffsetCommit, commit); r.Topics[0].Partitions[0].ErrorCode != 0 {
				t.Fatalf("commit: %+v", r)
			}
		}
		h.clock.Advance(6_000)
		synctest.Wait()
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Group, beat.MemberID, beat.Generation = "g", c.member, c.gen
		if r := ask(h.heartbeat, beat); r.ErrorCode != kerr.UnknownMemberID.Code {
			t.Fatalf("silent for a session: %+v", r)
		}
	})
}

// A member's id is made of what the client says of itself. Kafka 4.3.1 answers
// UNKNOWN_SERVER_ERROR when it gets longer than a string may be.
func TestIDsOfMembersFitIntoRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		defer h.close()
		for n, want := range map[int]int16{32_730: 0, 32_731: kerr.UnknownServerError.Code} {
			long := strings.Repeat("x", n)
			for _, c := range []*eager{{name: fmt.Sprint("static ", n), instance: &long}, {name: long}} {
				r := c.joinRequest()
				r.Group, r.Version = c.name[:min(len(c.name), 20)]+fmt.Sprint(n), 3
				if c.instance != nil {
					r.Version = 5
				}
				var joined *kmsg.JoinGroupResponse
				h.svc.JoinGroup(Caller{ClientID: c.name, Host: "/h"}, r, func(r *kmsg.JoinGroupResponse) { joined = r })
				synctest.Wait()
				h.clock.Advance(3_000) // the initial delay
				synctest.Wait()
				if joined.ErrorCode != want || want != 0 && joined.MemberID != "" {
					t.Fatalf("%d bytes: error %d, %d bytes of id", n, joined.ErrorCode, len(joined.MemberID))
				}
				sync := kmsg.NewPtrSyncGroupRequest()
				sync.Version, sync.Group, sync.MemberID, sync.Generation = 4, r.Group, joined.MemberID, joined.Generation
				ask(h.svc.SyncGroup, sync)
			}
		}
		h.resign()
		h.lead(2)
		if s := h.svc.Stats(); s.Active != 2 || s.Failed != 0 {
			t.Fatalf("not loaded: %+v", s)
		}
	})
}

func TestPartitionForGroup(t *testing.T) {
	// As Java has it: s.hashCode(), its absolute value, modulo 50.
	for group, want := range map[string]int32{"": 0, "g": 3, "my-group": 12, "polygenelubricants": 0, "gruppe-ä": 48, "😀": 49} {
		if got := PartitionFor(group, 50); got != want {
			t.Errorf("PartitionFor(%q) = %d, want %d", group, got, want)
		}
	}
}

// A group's name is a few bytes and the answer all its members: named again and again
// it is told of so often and no more.
func TestAGroupIsToldOfSoOftenInAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		defer h.svc.Close()
		h.lead(1)
		ask(h.svc.OffsetCommit, commitOf("g", "t", 8, 1))
		names := append(slices.Repeat([]string{"g"}, frame.MaxRepeats+2), "h")
		want := append(slices.Repeat([]int16{0}, frame.MaxRepeats), kerr.InvalidRequest.Code, kerr.InvalidRequest.Code, 0)
		fetch := fetchOf("g", 8, "t", 0)
		for _, n := range names[1:] {
			fetch.Groups = append(fetch.Groups, fetchOf(n, 8, "t", 0).Groups...)
		}
		var fetched, described, consumers []int16
		for _, g := range ask(h.svc.OffsetFetch, fetch).Groups {
			fetched = append(fetched, g.ErrorCode)
		}
		for _, g := range ask(h.svc.DescribeGroups, &kmsg.DescribeGroupsRequest{Version: 5, Groups: names}).Groups {
			described = append(described, g.ErrorCode)
		}
		for _, g := range ask(h.svc.ConsumerGroupDescribe, &kmsg.ConsumerGroupDescribeRequest{Groups: names}).Groups {
			consumers = append(consumers, g.ErrorCode)
		}
		if !slices.Equal(fetched, want) || !slices.Equal(described, want) {
			t.Errorf("fetched %v, described %v", fetched, described)
		}
		for i := range want { // neither is a consumer group
			if want[i] == 0 {
				want[i] = kerr.GroupIDNotFound.Code
			}
		}
		if !slices.Equal(consumers, want) {
			t.Errorf("consumer groups %v", consumers)
		}
	})
}
