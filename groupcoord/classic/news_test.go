package classic

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// quiet are the heartbeats that are answered with success, and could be held.
func (w *world) quiet() (out []*kmsg.HeartbeatRequest) {
	for _, g := range w.groups.byID {
		for m := g.members.first; m != nil; m = m.next {
			r := kmsg.NewPtrHeartbeatRequest()
			r.Group, r.MemberID, r.Generation = g.ID, m.ID, g.generation
			if w.groups.CheckHeartbeat(r) == nil {
				out = append(out, r)
			}
		}
	}
	return out
}

// told checks that every heartbeat that was quiet before and is not any more was
// among the news: else a held one would not be answered.
func (w *world) told(t *testing.T, before []*kmsg.HeartbeatRequest) {
	t.Helper()
	told := map[news]bool{}
	w.groups.TakeNews(func(group, member string) { told[news{group, member}] = true })
	for _, r := range before {
		err := w.groups.CheckHeartbeat(r)
		if err != nil && !told[news{r.Group, r.MemberID}] && !told[news{r.Group, ""}] {
			t.Errorf("member %s of group %s: %v, and is not told", r.MemberID, r.Group, err)
		}
	}
}

func TestHoldFor(t *testing.T) {
	gs := New(Config{MaxSize: 10})
	g := gs.Ensure("g", 0)
	static := "i"
	g.add(&Member{ID: "quick", SessionTimeout: 6000}, "consumer", 0)
	g.add(&Member{ID: "usual", SessionTimeout: 45_000}, "consumer", 0)
	g.add(&Member{ID: "static", SessionTimeout: 45_000, InstanceID: &static}, "consumer", 0)
	g.state = Stable
	for id, want := range map[string]int64{"quick": 2000, "usual": 3000, "static": 0, "nobody": 0} {
		r := kmsg.NewPtrHeartbeatRequest()
		r.Group, r.MemberID = "g", id
		if id == "static" {
			r.InstanceID = &static
		}
		if got := gs.HoldFor(r); got != want {
			t.Errorf("%s is held for %d ms, not %d", id, got, want)
		}
	}
}
