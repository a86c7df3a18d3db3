package groupcoord

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestNumbersAndGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		h.lead(1)
		a := &nextGen{h: h, id: "a"}
		a.beat(nil)
		for i := range 600 { // more than one look
			ask(h.svc.OffsetCommit, commitOf(fmt.Sprint("simple-", i), "t", 8, 5, 6))
		}
		got := h.svc.Stats()
		want := Stats{Active: 2, Classic: map[string]int{"Empty": 600}, Consumer: map[string]int{"Stable": 1}, Offsets: 1200, OffsetCommits: 1200, ConsumerRebalances: 1}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		groups, offsets := 0, 0
		h.svc.EachGroup(func(g GroupInfo) {
			groups++
			offsets += len(g.Offsets)
			if g.Group == "g" && (g.Type != "consumer" || g.Members != 1) || g.Group == "simple-7" && g.Offsets[1].Offset != 6 {
				t.Errorf("%+v", g)
			}
		})
		if groups != 601 || offsets != 1200 {
			t.Fatalf("%d groups, %d offsets", groups, offsets)
		}
		h.resign()
		if s := h.svc.Stats(); s.ConsumerRebalances != 1 || s.Active != 0 {
			t.Fatalf("counters go on: %+v", s)
		}
		h.svc.Close()
	})
}
