package consumer

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// beats is a heartbeat of a member that reads t0, and that says nothing of what it has.
func (s *searcher) beats(id string, epoch int32) Reply {
	s.t.Helper()
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, "g", id, epoch, -1
	if epoch == epochJoin {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 20_000, []string{"t0"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	g := s.gs.Get("g")
	if g == nil {
		g = s.gs.Create("g")
	}
	reply, d, bad := s.gs.Heartbeat(g, &Beat{Req: r, ClientID: "c", Host: "h"}, nil, s.at)
	if bad != nil {
		s.t.Fatal(bad.Message)
	}
	s.write(d)
	return reply
}

// The log may take no records just when a member has had its time to give
// partitions up: it is not waited for any longer for that, although its session
// goes on.
func TestAFenceThatCouldNotBeWrittenIsTriedAgain(t *testing.T) {
	s := newSearcher(t)
	s.change(func(w *town) {
		t0 := w.topics["t0"]
		t0.Partitions = 2
		w.topics["t0"] = t0
	})
	a := s.beats("a", epochJoin)
	s.beats("b", epochJoin)
	s.after(200) // until the group may be assigned again
	s.beats("a", a.Epoch)
	if m := s.gs.Get("g").members["a"]; m.State != MemberUnrevoked {
		t.Fatalf("a is %v\n%s", m.State, picture(s.gs))
	}
	s.at.Now += 19_000
	s.beats("a", a.Epoch)
	s.at.Now += 1_000
	d := s.gs.Expire(s.at)
	if len(d.Records) == 0 {
		t.Fatalf("nobody is fenced\n%s", picture(s.gs))
	}
	s.gs.Failed(d, s.at.Now)
	if s.gs.Get("g").members["a"] == nil {
		t.Fatal("fenced by what was not written")
	}
	s.after(retryAfter)
	if s.gs.Get("g").members["a"] != nil {
		t.Fatalf("a is waited for\n%s", picture(s.gs))
	}
}
