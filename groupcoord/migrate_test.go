package groupcoord

import (
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A group that goes over to the consumer protocol keeps nobody waiting in the classic
// one; and when it comes back, members that do not come with it are not waited for
// longer than their sessions.
func TestAGroupGoesOverAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		defer h.close()
		join := func(c *eager, heard func(*kmsg.JoinGroupResponse)) {
			r := c.joinRequest()
			r.Version, r.Protocols[0].Metadata = 3, classicMetadata("t")
			h.svc.JoinGroup(Caller{ClientID: c.name, Host: "/h"}, r, heard)
			synctest.Wait()
		}
		first := &eager{name: "first"}
		join(first, first.joined)
		h.clock.Advance(3_000) // the initial delay
		synctest.Wait()
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Group, sync.MemberID, sync.Generation = "g", first.member, first.gen
		if r := ask(h.svc.SyncGroup, sync); r.ErrorCode != 0 {
			t.Fatalf("sync: %+v", r)
		}
		var waits *kmsg.JoinGroupResponse
		join(&eager{name: "second"}, func(r *kmsg.JoinGroupResponse) { waits = r })
		if waits != nil {
			t.Fatalf("the first was not waited for: %+v", waits)
		}
		m := &nextGen{h: h, id: "m"}
		if c := m.beat(nil); c != 0 {
			t.Fatalf("up: %+v", m.last)
		}
		if waits == nil || waits.ErrorCode != kerr.RebalanceInProgress.Code {
			t.Fatalf("who waited when the group went over: %+v", waits)
		}
		m.beat(func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.MemberEpoch = -1 })
		if s := h.svc.Stats(); s.Classic["PreparingRebalance"] != 1 || len(s.Consumer) != 0 {
			t.Fatalf("down: %+v", s)
		}
		h.clock.Advance(6_000) // a session
		synctest.Wait()
		if s := h.svc.Stats(); s.Classic["Empty"] != 1 {
			t.Fatalf("nobody came: %+v", s)
		}
	})
}
