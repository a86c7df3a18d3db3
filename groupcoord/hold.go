package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/alarm"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
)

// Heartbeats that nothing is to be told to are held, so that there is an open
// question to answer with news: when the member has some, when anything else
// arrives on its connection, when its time is over, and when the shard ends.
//
//	heartbeat ─▶ nothing new? ─▶ held ─┬─ news of the member ───────┐
//	                                   ├─ Hold's release (conn) ────┼─▶ ready ─▶ decided again, many at once ─▶ answer
//	                                   ├─ its alarm ────────────────┘
//	                                   ├─ a newer one (KIP-848) ───────▶ answer, as it was when it came
//	                                   └─ Unloaded ─▶ NOT_COORDINATOR
//
// Invariants: a member has one held heartbeat at most; a held heartbeat is
// answered once; what is ready was taken out of the table.

// answersAtOnce is how many held heartbeats one outcome answers.
const answersAtOnce = 1000

// held is one request that is kept back.
type hold struct {
	group, member string
	until         alarm.Alarm[*hold]
	kept          bool // in the table or ready
	// again decides the request as if it came now. It tells whether the member got
	// partitions: then what is decided next has to see that first.
	again func(now int64) (out runtime.Outcome, acquired bool)
	fail  func(error)
	// late answers what was right when it came; nil where again may be called instead.
	late func(error)
}

// holds is the held heartbeats of a shard.
type holds struct {
	groups map[string]*groupHolds
	alarms alarm.Queue[*hold]
	sweeps alarm.Queue[*groupHolds]
	ready  []*hold // to be answered, in this order
	count  int
}

// groupHolds is those of one group. A sweep answers all of them whose member is
// behind; in a large group at most one in sweepPause.
type groupHolds struct {
	id    string
	by    map[string]*hold
	swept int64 // ms, when the last sweep began
	sweep alarm.Alarm[*groupHolds]
}

// keep holds a heartbeat until now+ms. An older one of the member becomes ready.
func (t *holds) keep(h *hold, until int64) {
	t.release(h.group, h.member) // may end the group's table
	if t.groups == nil {
		t.groups = map[string]*groupHolds{}
	}
	g := t.groups[h.group]
	if g == nil {
		g = &groupHolds{id: h.group, by: map[string]*hold{}}
		t.groups[h.group] = g
	}
	h.kept = true
	h.until.Value = h
	t.alarms.Set(&h.until, until)
	g.by[h.member] = h
	t.count++
}

// releaseAll makes all heartbeats of a group ready.
func (t *holds) releaseAll(group string) {
	if g := t.groups[group]; g != nil {
		for _, h := range g.by {
			t.take(h)
		}
	}
}

// release makes the heartbeat of a member ready to be answered, if one is held.
func (t *holds) release(group, member string) {
	if g := t.groups[group]; g != nil {
		if h := g.by[member]; h != nil {
			t.take(h)
		}
	}
}

// supersede takes out the held heartbeat of a member of which a newer one has come.
// What it returns, if not nil, answers it.
func (t *holds) supersede(group, member string) func(error) {
	g := t.groups[group]
	if g == nil || g.by[member] == nil || g.by[member].late == nil {
		return nil
	}
	h := g.by[member]
	t.drop(h)
	return h.late
}

// drop takes a heartbeat out that is answered otherwise.
func (t *holds) drop(h *hold) {
	if t.take(h); h.kept {
		h.kept = false
	}
}

// take moves a held heartbeat to those that are ready.
func (t *holds) take(h *hold) {
	g := t.groups[h.group]
	if g == nil || g.by[h.member] != h {
		return
	}
	delete(g.by, h.member)
	t.count--
	if len(g.by) == 0 && !g.sweep.IsSet() {
		delete(t.groups, h.group)
	}
	t.alarms.Cancel(&h.until)
	t.ready = append(t.ready, h)
}

// sweepSoon lets all held members of a group that are behind hear of it: not more
// often than the group's size allows, so that many changes cost one answer each.
func (t *holds) sweepSoon(group string, members int, now int64) {
	g := t.groups[group]
	if g == nil || g.sweep.IsSet() {
		return
	}
	g.sweep.Value = g
	t.sweeps.Set(&g.sweep, max(now, g.swept+max(50, int64(members)/50)))
}

// expire makes what is due ready; behind tells whether a member of a swept group
// has something to hear.
func (t *holds) expire(now int64, behind func(group, member string) bool) {
	for a := t.alarms.Pop(now); a != nil; a = t.alarms.Pop(now) {
		t.take(a.Value)
	}
	for a := t.sweeps.Pop(now); a != nil; a = t.sweeps.Pop(now) {
		g := a.Value
		g.swept = now
		for member, h := range g.by {
			if behind(g.id, member) {
				t.take(h)
			}
		}
		if len(g.by) == 0 {
			delete(t.groups, g.id)
		}
	}
}

// shift moves all deadlines by ms: the clock was set.
func (t *holds) shift(ms int64) {
	t.alarms.Shift(ms)
	t.sweeps.Shift(ms)
	for _, g := range t.groups {
		g.swept += ms
	}
}

// deadline is when there is something to do.
func (t *holds) deadline() (int64, bool) {
	if len(t.ready) > 0 {
		return 0, true
	}
	at, ok := t.alarms.Next()
	if s, sweeps := t.sweeps.Next(); sweeps && (!ok || s < at) {
		return s, true
	}
	return at, ok
}

// answer decides heartbeats that are ready, of one group and as many as may be
// decided without seeing what the others led to.
func (t *holds) answer(now int64) runtime.Outcome {
	var out runtime.Outcome
	var done []func(int64, error)
	group := t.ready[0].group
	n := 0
	for n < len(t.ready) && n < answersAtOnce && t.ready[n].group == group {
		h := t.ready[n]
		n++
		if !h.kept {
			continue
		}
		h.kept = false
		o, acquired := h.again(now)
		out.Records = append(out.Records, o.Records...)
		if o.Done != nil {
			done = append(done, o.Done)
		}
		if acquired {
			break
		}
	}
	clear(t.ready[:n])
	if t.ready = t.ready[n:]; len(t.ready) == 0 {
		t.ready = nil
	}
	out.Split = true // members stand each for themselves
	out.Done = func(now int64, err error) {
		for _, f := range done {
			f(now, err)
		}
	}
	return out
}

// failAll answers everything with err.
func (t *holds) failAll(err error) {
	for _, h := range t.ready {
		if h.kept {
			h.kept = false
			h.fail(err)
		}
	}
	for _, g := range t.groups {
		for _, h := range g.by {
			h.kept = false
			h.fail(err)
		}
	}
	*t = holds{}
}
