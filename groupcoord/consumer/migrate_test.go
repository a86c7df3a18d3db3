package consumer

import (
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func embedded(topics ...string) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics = 1, topics
	return m.AppendTo(nil)
}

func assigned(userData []byte) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	a.Topics, a.UserData = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "t", Partitions: []int32{1, 0}}, {Topic: "gone", Partitions: []int32{0}}}, userData
	return a.AppendTo(nil)
}

func TestUpgradesThatAreRefused(t *testing.T) {
	for name, x := range map[string]struct {
		config func(*Config)
		group  func(*ClassicGroup)
		want   *kerr.Error
	}{
		"as it should be":      {want: nil},
		"switched off":         {config: func(c *Config) { c.Upgrade = false }, want: kerr.GroupIDNotFound},
		"too large":            {config: func(c *Config) { c.MaxSize = 0 }, want: kerr.GroupIDNotFound},
		"of another type":      {group: func(g *ClassicGroup) { g.Type = "connect" }, want: kerr.GroupIDNotFound},
		"in its first joining": {group: func(g *ClassicGroup) { g.Protocol = nil }, want: kerr.UnknownServerError},
		"bad metadata":         {group: func(g *ClassicGroup) { g.Members[0].Protocols[0].Metadata = []byte{0, 1, 9} }, want: kerr.GroupIDNotFound},
		"bad assignment":       {group: func(g *ClassicGroup) { g.Members[0].Assignment = []byte{0, 1, 9} }, want: kerr.GroupIDNotFound},
		"custom assignor":      {group: func(g *ClassicGroup) { g.Members[0].Assignment = assigned([]byte("x")) }, want: kerr.GroupIDNotFound},
	} {
		cfg := testConfig()
		if x.config != nil {
			x.config(&cfg)
		}
		g := &ClassicGroup{ID: "g", Type: "consumer", Protocol: new("range"), Generation: 7, Members: []ClassicMember{{
			ID: "a", SessionTimeout: 45_000, RebalanceTimeout: 60_000, Assignment: assigned(nil),
			Protocols: []records.ClassicProtocol{{Name: "range", Metadata: embedded("t")}},
		}}}
		if x.group != nil {
			x.group(g)
		}
		gs := New(cfg)
		at := Moment{Now: 1, Image: &town{topics: map[string]Topic{"t": {Name: "t", ID: ids.TopicID{1}, Partitions: 2}}}}
		up, list, bad := gs.Upgrade(g, at)
		if x.want != nil {
			if bad == nil || bad.Error != x.want {
				t.Errorf("%s: %+v", name, bad)
			}
			continue
		}
		if bad != nil || len(list) != 6 || up.epoch != 7 || up.assignmentEpoch != 7 || up.State() != Stable {
			t.Fatalf("%s: %v, %d records\n%s", name, bad, len(list), picture(up.home))
		}
		if m := up.members["a"]; m.Epoch != 7 || m.Classic == nil || m.Assigned.count() != 2 || !m.Assigned.has(ids.TopicID{1}, 0) {
			t.Fatalf("%s: %s", name, picture(up.home))
		}
	}
}

// All members of a classic group can have left before its first rebalance was over.
func TestUpgradeOfAGroupThatAllHaveLeft(t *testing.T) {
	gs := New(testConfig())
	g, list, bad := gs.Upgrade(&ClassicGroup{ID: "g", Type: "consumer"}, Moment{Now: 1, Image: &town{}})
	if bad != nil || len(list) != 3 || g.Members() != 0 {
		t.Fatalf("%+v, %d records", bad, len(list))
	}
}

// A group that is too large for the classic protocol stays what it is.
func TestNoDowngradeOfAGroupThatIsTooLarge(t *testing.T) {
	for size, want := range map[int]bool{1: true, 0: false} {
		s, _ := mixed(t)
		s.gs.cfg.Downgrade, s.gs.cfg.ClassicMaxSize = true, size
		g := s.gs.Get("g")
		if d := s.gs.fence(g, []*Member{g.members["a"]}, s.at); (d.Adopt != nil) != want {
			t.Fatalf("with %d allowed: %+v", size, d.Adopt)
		}
	}
}

// A join that is refused leaves nothing behind.
func TestNothingIsLeftOfARefusedJoin(t *testing.T) {
	gs := New(testConfig())
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Group, r.MemberID, r.RebalanceTimeoutMillis, r.SubscribedTopicRegex = "g", "m", 1000, new("(")
	_, d, bad := gs.Heartbeat(gs.Create("g"), &Beat{Req: r}, nil, Moment{Now: 1, Image: &town{}})
	if bad == nil || bad.Error != kerr.InvalidRegularExpression || d.Records != nil || gs.Len()+len(gs.drafts)+len(gs.sets) != 0 {
		t.Fatalf("%+v %+v %d", bad, d, len(gs.drafts))
	}
}
