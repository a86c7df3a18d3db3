package consumer

import (
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// searcher is one group with one member a regular expression, by hand.
type searcher struct {
	*machine
	t *testing.T
}

func newSearcher(t *testing.T) *searcher {
	m := &machine{gs: New(testConfig()), clients: map[string]*client{}, town: &town{topics: map[string]Topic{}}}
	m.at = Moment{Now: 1_000_000, Image: m.town}
	s := &searcher{m, t}
	s.made("t0")
	return s
}

func (s *searcher) made(name string) {
	s.change(func(w *town) {
		w.topics[name] = Topic{Name: name, ID: ids.TopicID{0: byte(len(w.topics) + 1)}, Partitions: 1}
	})
}

// joins makes a member that subscribes to an expression.
func (s *searcher) joins(id, regex string) {
	s.t.Helper()
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.RebalanceTimeoutMillis, r.SubscribedTopicRegex = 1, "g", id, 20_000, &regex
	r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	g := s.gs.Get("g")
	if g == nil {
		g = s.gs.Create("g")
	}
	_, d, bad := s.gs.Heartbeat(g, &Beat{Req: r, ClientID: "c", Host: "h"}, nil, s.at)
	if bad != nil {
		s.t.Fatal(bad)
	}
	s.write(d)
}

func (s *searcher) leaves(id string) {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch = 1, "g", id, epochLeave
	_, d, bad := s.gs.Heartbeat(s.gs.Get("g"), &Beat{Req: r}, nil, s.at)
	if bad != nil {
		s.t.Fatal(bad)
	}
	s.write(d)
}

func (s *searcher) write(d Decision) {
	for _, r := range d.Records {
		s.log = append(s.log, r)
		replay(s.t, s.gs, r, false, s.at.Now)
	}
	if d.Search != nil {
		s.searches = append(s.searches, d.Search)
	}
}

// after lets time pass and does what is due by then.
func (s *searcher) after(ms int64) {
	s.at.Now += ms
	for at, ok := s.gs.Deadline(); ok && at <= s.at.Now; at, ok = s.gs.Deadline() {
		s.write(s.gs.Expire(s.at))
	}
}

// found ends the only search that is under way.
func (s *searcher) found() {
	s.t.Helper()
	if len(s.searches) != 1 {
		s.t.Fatalf("%d searches are under way", len(s.searches))
	}
	x := s.searches[0]
	s.searches = nil
	x.Run(func() bool { return false })
	s.write(s.gs.Found(x, s.at))
	s.after(1_000)
}

func (s *searcher) matched(want ...string) {
	s.t.Helper()
	var got []string
	if g := s.gs.Get("g"); g != nil {
		for _, r := range g.resolved {
			got = append(got, r.topics.names...)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.t.Fatalf("matched are %v, not %v", got, want)
	}
}

// Nobody tells a coordinator of topics that were made while there was none: the
// next one has to look at those that there are, and not wait for the refresh.
func TestTopicsMadeWhileNobodyCoordinated(t *testing.T) {
	s := newSearcher(t)
	s.joins("m", "t.*")
	s.after(0)
	s.found()
	s.matched("t0")
	before := s.gs.Get("g").epoch

	s.made("t1")
	s.gs = s.loaded()
	s.gs.Loaded(s.at)
	s.after(matchPause) // far less than RegexRefresh
	s.found()
	s.matched("t0", "t1")
	if g := s.gs.Get("g"); g.epoch != before+1 || g.assignmentEpoch != g.epoch || len(g.targets["m"].assignment) != 2 {
		t.Fatalf("epoch %d before, then\n%s", before, picture(s.gs))
	}

	s.change(func(w *town) { delete(w.topics, "t1") })
	s.gs = s.loaded()
	s.gs.Loaded(s.at)
	s.after(matchPause)
	s.found()
	s.matched("t0")
}

func TestWhatHappensWhileExpressionsAreMatched(t *testing.T) {
	t.Run("another is subscribed to", func(t *testing.T) {
		s := newSearcher(t)
		s.joins("m", "t.*")
		s.after(0)
		s.joins("n", "t[0-9]")
		s.after(2 * matchPause) // the first search takes long
		s.found()
		s.matched("t0")
		s.after(0)
		s.found()
		s.matched("t0", "t0")
	})
	t.Run("a topic is made", func(t *testing.T) {
		s := newSearcher(t)
		s.joins("m", "t.*")
		s.after(0)
		s.made("t1")
		s.gs.TopicsChanged([]string{"t1"}, true, s.at)
		s.after(2 * matchPause)
		s.found()
		s.matched("t0")
		s.after(0)
		s.found()
		s.matched("t0", "t1")
	})
	t.Run("nobody subscribes any more", func(t *testing.T) {
		s := newSearcher(t)
		s.joins("m", "t.*")
		s.joins("n", "nothing")
		s.after(0)
		s.leaves("m")
		s.found()
		s.matched()
		s.after(testConfig().RegexRefresh - 10_000)
		if len(s.searches) != 0 {
			t.Fatal("matched again before its time")
		}
	})
	t.Run("the coordinator moves", func(t *testing.T) {
		s := newSearcher(t)
		s.joins("m", "t.*")
		s.after(0)
		late := s.searches[0]
		s.searches = nil
		s.gs = s.loaded()
		s.gs.Loaded(s.at)
		s.after(0)
		late.Run(func() bool { return false })
		if d := s.gs.Found(late, s.at); len(d.Records) > 0 {
			t.Fatal("a search for an earlier coordinator is believed")
		}
		s.found()
		s.matched("t0")
	})
	t.Run("the server stops", func(t *testing.T) {
		s := newSearcher(t)
		s.joins("m", "t.*")
		s.after(0)
		if s.searches[0].Run(func() bool { return true }) {
			t.Fatal("a search that was stopped says that it ended")
		}
	})
}

// Expressions match whole names, whatever way of several through the expression is
// tried first.
func TestMatchesWholeNames(t *testing.T) {
	w := &town{topics: map[string]Topic{}}
	for _, name := range []string{"a", "ab", "abc", "b", "xab"} {
		w.topics[name] = Topic{Name: name}
	}
	for expr, want := range map[string][]string{"a|ab": {"a", "ab"}, "a.*?": {"a", "ab", "abc"}, "": nil, "(": nil, "^b$": {"b"}, ".*b": {"ab", "b", "xab"}} {
		if got, _ := matches(expr, w, func() bool { return false }); !slices.Equal(got, want) {
			t.Errorf("%q matches %v", expr, got)
		}
	}
}
