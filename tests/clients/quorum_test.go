package clients

import (
	"slices"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
)

// quorum is three controllers and a broker, each a process, and topics that are
// created all the time.
type quorum struct {
	t      *testing.T
	ctrls  []*node.Server
	broker *node.Server
	topics *node.Creations
}

// Silence is taken for death after half a second.
var quick = map[string]string{"controller.quorum.fetch.timeout.ms": "500", "controller.quorum.election.timeout.ms": "300"}

func newQuorum(t *testing.T, static bool) *quorum { return newQuorumWith(t, static, quick) }

func newQuorumWith(t *testing.T, static bool, settings map[string]string) *quorum {
	sw := gregor(t)
	q := &quorum{t: t}
	var err error
	q.ctrls, err = node.NewQuorum(100, static, settings, sw, sw, sw)
	for _, s := range q.ctrls {
		t.Cleanup(func() { end(t, s) })
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range q.ctrls {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	q.broker = startAt(t, node.Place{ID: 1, Roles: "broker", Controller: q.ctrls[0], Static: static}, settings)
	if q.topics, err = node.Create(q.broker, "created", 5*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	return q
}

// end ends a process; it is kept if the test failed.
func end(t *testing.T, s *node.Server) {
	if t.Failed() {
		s.Keep()
		t.Logf("kept %s; it said:\n%s", s.Dir(), s.Output())
	}
	s.Close()
}

// goesOn waits until the cluster has created topics.
func (q *quorum) goesOn() {
	q.t.Helper()
	if err := q.topics.More(10); err != nil {
		q.t.Fatal(err)
	}
}

// leader waits for one among some of the controllers.
func (q *quorum) leader(of ...*node.Server) (*node.Server, node.Quorum) {
	q.t.Helper()
	ctx := patience(q.t)
	for ctx.Err() == nil {
		if s, says := node.Leads(ctx, of...); s != nil {
			return s, says
		}
	}
	q.t.Fatal("no leader")
	return nil, node.Quorum{}
}

func (q *quorum) others(but *node.Server) []*node.Server {
	return slices.DeleteFunc(slices.Clone(q.ctrls), func(s *node.Server) bool { return s == but })
}

// judge stops the creations, waits until every voter has all that was committed,
// and compares what they have.
func (q *quorum) judge() {
	q.t.Helper()
	names, err := q.topics.Stop()
	if err != nil {
		q.t.Fatal(err)
	}
	_, says := q.leader(q.ctrls...)
	committed := says.HighWatermark
	for ctx := patience(q.t); ; {
		_, says = q.leader(q.ctrls...)
		if !slices.ContainsFunc(q.ctrls, func(s *node.Server) bool { return says.Voters[s.ID()] < committed }) {
			break
		}
		if ctx.Err() != nil {
			q.t.Fatalf("a voter does not catch up with %d: %v", committed, says.Voters)
		}
	}
	if err := node.OneHistory(committed, names, q.ctrls...); err != nil {
		q.t.Error(err)
	}
}

// The leader is killed again and again: another goes on with all that was
// acknowledged, and whoever comes back follows.
func TestQuorumOutlivesItsLeaders(t *testing.T) {
	for name, static := range map[string]bool{"voters in the log": false, "static voters": true} {
		t.Run(name, func(t *testing.T) {
			q := newQuorum(t, static)
			for range 3 {
				q.goesOn()
				dead, before := q.leader(q.ctrls...)
				if err := dead.Kill(); err != nil {
					t.Fatal(err)
				}
				if _, now := q.leader(q.others(dead)...); now.Epoch <= before.Epoch {
					t.Errorf("epoch %d after %d", now.Epoch, before.Epoch)
				}
				q.goesOn()
				if err := dead.Start(); err != nil {
					t.Fatal(err)
				}
			}
			q.judge()
		})
	}
}

// A leader that is stopped where it stands and goes on later finds that it leads
// no more, and nothing that it had not committed is seen by anybody.
func TestQuorumOutlivesAPausedLeader(t *testing.T) {
	q := newQuorum(t, false)
	q.goesOn()
	paused, before := q.leader(q.ctrls...)
	if err := paused.Pause(); err != nil {
		t.Skip("processes cannot be paused here: ", err)
	}
	if _, now := q.leader(q.others(paused)...); now.Epoch <= before.Epoch {
		t.Errorf("epoch %d after %d", now.Epoch, before.Epoch)
	}
	q.goesOn()
	if err := paused.Resume(); err != nil {
		t.Fatal(err)
	}
	q.goesOn()
	if l, _ := q.leader(q.ctrls...); l == paused {
		t.Error("it leads again at once")
	}
	q.judge()
}

// Without a majority nothing is acknowledged; with it everything goes on.
func TestQuorumWithoutAMajority(t *testing.T) {
	q := newQuorum(t, false)
	q.goesOn()
	leads, _ := q.leader(q.ctrls...)
	for _, s := range q.others(leads) {
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	// check-quorum: the leader gives up.
	for ctx := patience(t); ; {
		if s, _ := node.Leads(ctx, leads); s == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("it leads without a majority")
		}
	}
	if said := leads.Output(); leads.PID() == 0 {
		t.Fatalf("it has ended:\n%s", said)
	}
	if err := q.others(leads)[0].Start(); err != nil {
		t.Fatal(err)
	}
	q.goesOn()
	if err := q.others(leads)[1].Start(); err != nil {
		t.Fatal(err)
	}
	q.judge()
}
