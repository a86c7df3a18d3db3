package sim

import (
	"fmt"
	"slices"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
)

type linkKey struct{ from, to ids.NodeID }

// link is one direction between two nodes, a stream: what is sent arrives in
// order, or, when the connection breaks, not at all from there on. A blocked
// link keeps what was sent until it is unblocked or the connection breaks.
type link struct {
	from, to *node
	gen      int   // connections so far; a reply of an older one is lost
	last     int64 // arrival of the last message
	blocked  int   // by how many partitions
	why      Fault // the latest of them
	held     []func()
	open     []openCall
}

// openCall is a request on a connection; lost tells its sender that it will have no reply.
type openCall struct {
	call uint64
	lost func()
}

func (l *link) close(call uint64) {
	l.open = slices.DeleteFunc(l.open, func(o openCall) bool { return o.call == call })
}

func (w *world) link(from, to *node) *link {
	k := linkKey{from.id, to.id}
	l := w.links[k]
	if l == nil {
		l = &link{from: from, to: to}
		w.links[k] = l
	}
	return l
}

// carry brings a message over: f runs when it arrives, unless the connection broke meanwhile.
func (w *world) carry(l *link, f func()) {
	gen, life, stray := l.gen, l.to.life, w.chance(w.plan.strays)
	deliver := func() {
		switch {
		case l.gen == gen:
			f()
		case stray && l.to.life == life && !w.healed:
			// The receiver had it in its buffers when the connection broke, and handles it
			// behind what the sender, who took it for lost, sent again.
			w.hit(Stray)
			f()
		}
	}
	if w.chance(w.plan.late) {
		w.keepBack(l, life, f)
		return
	}
	delay := int64(w.rnd.ExpFloat64()*w.plan.delay + 0.5)
	if w.chance(w.plan.stall) {
		w.hit(Stall)
		delay += w.between(0, 1500)
	}
	l.last = max(l.last, w.now+delay)
	w.after(l.last-w.now, func() {
		if l.blocked > 0 {
			w.hit(l.why)
		}
		if l.blocked > 0 || len(l.held) > 0 {
			l.held = append(l.held, deliver) // behind what came before it
			return
		}
		deliver()
	})
}

// keepBack breaks the connection under a message that the receiver has already, in a queue that
// stands still: it handles it when all about it has changed.
func (w *world) keepBack(l *link, life int, f func()) {
	w.reset(l.from, l.to)
	w.after(w.between(100, 5000), func() {
		if l.to.life == life && !w.healed {
			w.hit(Late)
			f()
		}
	})
}

// reset breaks the connections between two nodes: requests under way fail on both sides.
func (w *world) reset(a, b *node) {
	for _, l := range []*link{w.link(a, b), w.link(b, a)} {
		l.gen++
		l.held, l.last = nil, w.now
		open := l.open
		l.open = nil
		for _, o := range open {
			o.lost()
		}
	}
}

func (w *world) breakLinks(n *node) {
	for _, o := range w.nodes {
		if o != n {
			w.reset(n, o)
		}
	}
}

func (w *world) block(l *link, why Fault) {
	l.blocked++
	l.why = why
}

// unblock ends one partition; the link is free when all have ended.
func (w *world) unblock(l *link) {
	if l.blocked = max(0, l.blocked-1); l.blocked > 0 {
		return
	}
	w.drain(l)
}

// drain delivers what was held, an event each and in order.
func (w *world) drain(l *link) {
	if l.blocked > 0 || len(l.held) == 0 {
		return
	}
	f := l.held[0]
	l.held = l.held[1:]
	f()
	w.after(0, func() { w.drain(l) })
}

// send is the outbox of a replica.
func (n *node) send(m raft.Message) {
	w := n.w
	if n.fs.tripped {
		return // the power went in the middle of this turn
	}
	w.judge.sent(n, &m)
	if w.cfg.Log != nil && w.cfg.Messages {
		w.cfg.Log(fmt.Sprintf("%6d      n%d sends %T %+v", w.now, n.id, m.Body, m))
	}
	if len(m.To.Endpoints) > 0 {
		n.request(m)
		return
	}
	c, ok := n.asked[m.Call]
	if !ok {
		fail("node %d answers request %d, which is not open: %T", n.id, m.Call, m.Body)
	}
	delete(n.asked, m.Call)
	if c.from == nil {
		w.judge.changed(m.Body)
		return
	}
	if c.link.gen != c.gen {
		return // the connection is gone; the asking side knows
	}
	back := w.link(n, c.from)
	w.carry(back, func() { c.answer(m.Body) })
}

// answer gives a reply to who asked.
func (c caller) answer(b raft.Body) {
	c.link.close(c.call)
	if c.from.life == c.life && c.from.up() {
		c.from.run("reply", func(now int64) error {
			c.from.w.judge.answered(c.from, b)
			return c.from.rep.Step(raft.Message{Call: c.call, From: c.as, Body: b}, now)
		})
	}
}

// request sends a request and sees to it that its end is noticed: by the reply, or by
// the connection that broke.
func (n *node) request(m raft.Message) {
	w := n.w
	to := w.at(m.To.Endpoints[0])
	if to == nil {
		life, gone := n.life, raft.Message{Call: m.Call, From: m.To.ID, Body: raft.Unreachable{Refused: true}}
		w.after(w.between(0, 5), func() {
			if n.life == life {
				n.run("refused", func(now int64) error { return n.rep.Step(gone, now) })
			}
		})
		return
	}
	l := w.link(n, to)
	c := caller{from: n, life: n.life, call: m.Call, as: m.To.ID, link: l, gen: l.gen}
	lost := func(refused bool) {
		w.after(w.between(0, 5), func() { c.answer(raft.Unreachable{Refused: refused}) })
	}
	switch {
	case !to.up():
		if !to.off {
			w.hit(RefusedConnection)
			lost(true)
		}
		return
	case w.chance(w.plan.resets):
		w.hit(BrokenConnection)
		lost(false)
		w.reset(n, to)
		return
	}
	l.open = append(l.open, openCall{m.Call, func() { lost(!to.up() && !to.off) }})
	w.carry(l, func() {
		if _, ok := m.Body.(raft.VersionsRequest); ok {
			w.carry(w.link(to, n), func() { c.answer(raft.VersionsReply{Known: true, MaxKRaft: 1}) })
			return
		}
		to.ask(m.Body, c)
	})
}

// ask gives a request to the replica.
func (n *node) ask(b raft.Body, c caller) {
	n.run(fmt.Sprintf("%T", b), func(now int64) error {
		n.w.calls++
		call := n.w.calls
		n.asked[call] = c
		n.w.judge.heard(n, b)
		return n.rep.Step(raft.Message{Call: call, Body: b}, now)
	})
}

// at finds the node behind an endpoint, nil if nobody listens there any more.
func (w *world) at(e raft.Endpoint) *node {
	for _, n := range w.nodes {
		// Healing gives a node that moved its old address back, besides the new one: with its
		// leader dead, it could have told nobody where it is.
		if n.endpoint()[0].Port == e.Port || w.healed && uint16(n.id) == e.Port {
			return n
		}
	}
	return nil // it moved
}
