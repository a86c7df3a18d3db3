package consumer

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What the classic member of these tests has of sessions and rebalances, in ms.
const (
	classicSession   = 10_000
	classicRebalance = 30_000
)

// classicJoins is the JoinGroup of a classic member that reads nothing there is.
func (s *searcher) classicJoins(id string) int32 {
	s.t.Helper()
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.ProtocolType = 3, "g", id, ProtocolType
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = classicSession, classicRebalance
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: embedded("nothing")}}
	j, d, bad := s.gs.JoinClassic(s.gs.Get("g"), &JoinClassic{Req: r, ClientID: "c", Host: "h"}, s.at)
	if bad != nil || j.Code != nil {
		s.t.Fatalf("join: %+v %v", bad, j.Code)
	}
	s.write(d)
	s.gs.JoinAnswered("g", j, s.at.Now)
	return j.Generation
}

func (s *searcher) classicSyncs(id string, generation int32) {
	s.t.Helper()
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.Generation = "g", id, generation
	if _, bad := s.gs.SyncClassic(s.gs.Get("g"), r, s.at); bad != nil {
		s.t.Fatalf("sync: %v", bad)
	}
}

// classicBeats lets ms pass with a heartbeat just before each session ends, which
// all get the same answer.
func (s *searcher) classicBeats(id string, generation int32, ms int64, want *kerr.Error) {
	s.t.Helper()
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID, r.Generation = "g", id, generation
	for ms > 0 {
		if bad := s.gs.HeartbeatClassic(s.gs.Get("g"), r, s.at.Now); bad != want {
			s.t.Fatalf("heartbeat: %v", bad)
		}
		step := min(ms, classicSession-1)
		s.after(step)
		ms -= step
	}
}

// mixed is a group of a member that reads t0, and one that speaks the classic
// protocol and is where the assignment wants it.
func mixed(t *testing.T) (s *searcher, generation int32) {
	s = newSearcher(t)
	s.beats("a", epochJoin)
	s.classicSyncs("c", s.classicJoins("c"))
	s.after(200) // until the group may be assigned again
	generation = s.classicJoins("c")
	s.classicSyncs("c", generation)
	return s, generation
}

func (s *searcher) member(id string) bool { return s.gs.Get("g").members[id] != nil }

// Who beats, joins when told to, and syncs, stays.
func TestAClassicMemberThatDoesWhatItShallStays(t *testing.T) {
	s, generation := mixed(t)
	s.classicBeats("c", generation, classicRebalance+classicSession, nil)
	s.beats("a", s.gs.Get("g").members["a"].Epoch)
	s.beats("b", epochJoin)
	s.after(200)
	s.classicBeats("c", generation, 1, kerr.RebalanceInProgress)
	generation = s.classicJoins("c")
	s.classicSyncs("c", generation)
	s.classicBeats("c", generation, classicRebalance+classicSession, nil)
	if !s.member("c") {
		t.Fatalf("fenced\n%s", picture(s.gs))
	}
	s.after(classicSession)
	if s.member("c") {
		t.Fatal("silent for a session")
	}
}

// Heartbeats alone do not keep a member that was told to join.
func TestAClassicMemberHasTimeToJoin(t *testing.T) {
	s, generation := mixed(t)
	s.beats("b", epochJoin)
	s.after(200)
	s.classicBeats("c", generation, classicRebalance-1, kerr.RebalanceInProgress)
	if !s.member("c") {
		t.Fatal("fenced early")
	}
	s.after(1)
	if s.member("c") {
		t.Fatal("waited for longer than its rebalance timeout")
	}
}

// Nor do they keep one that has joined and does not sync.
func TestAClassicMemberHasTimeToSync(t *testing.T) {
	s, _ := mixed(t)
	generation := s.classicJoins("c")
	s.classicBeats("c", generation, classicRebalance-1, nil)
	if !s.member("c") {
		t.Fatal("fenced early")
	}
	s.after(1)
	if s.member("c") {
		t.Fatal("waited for longer than its rebalance timeout")
	}
}
