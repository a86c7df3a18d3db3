package rebalance

import (
	"fmt"
	"strings"
	"testing"
)

func TestAStory(t *testing.T) {
	var s Story
	s.Begin(1, 2, "member a joined", 10)
	s.Begin(1, 3, "member b joined", 11)
	if got := s.List([]string{"b"}); len(got) != 1 || got[0].To != 3 || got[0].Reason != "member a joined; member b joined" || got[0].WaitingFor[0] != "b" {
		t.Fatalf("while it runs: %+v", got)
	}
	s.Arrived("a")
	s.Arrived("b")
	r := s.End(25)
	if s.Running() || r.Began != 10 || r.Ended != 25 || len(r.WaitingFor) != 2 {
		t.Fatalf("ended: %+v", r)
	}
	s.Reason("member c: no heartbeat")
	s.Begin(3, 4, "", 30)
	if got := s.List(nil); got[1].Reason != "member c: no heartbeat" {
		t.Fatalf("a reason given before: %+v", got)
	}
}

func TestALongStoryStaysShort(t *testing.T) {
	var s Story
	for i := range 100 {
		s.Begin(int32(i), int32(i+1), "", int64(i))
		for j := range 1000 {
			s.Begin(int32(i), int32(i+1), fmt.Sprint("member ", j, " joined"), int64(i))
			s.Arrived(fmt.Sprint(j))
		}
		r := s.End(int64(i + 1))
		if !strings.HasSuffix(r.Reason, "member 3 joined; and 996 more") || len(r.WaitingFor) != reasonsKept || r.WaitingFor[3] != "999" {
			t.Fatalf("%+v", r)
		}
	}
	if got := s.List(nil); len(got) != Kept || got[Kept-1].From != 99 {
		t.Fatalf("%d are kept, the last of %d", len(got), got[len(got)-1].From)
	}
}
