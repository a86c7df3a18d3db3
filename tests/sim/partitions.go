package sim

// Networks that come apart: what is sent over a blocked link is held until the link is
// free again, or lost with its connection.

// blockFor blocks links for a while. Half of the time their connections break at its end,
// as when the hosts gave up; else everything held arrives.
func (w *world) blockFor(cut []*link, why Fault, ms int64) {
	for _, l := range cut {
		w.block(l, why)
	}
	breaks := w.chance(0.5)
	w.after(ms, func() {
		for _, l := range cut {
			if breaks && !w.healed {
				w.reset(l.from, l.to)
			}
			w.unblock(l)
		}
	})
}

// across lists the links over which a node of one side reaches one of the other, both ways.
func (w *world) across(apart func(i, j int) bool) (cut []*link) {
	for i, a := range w.nodes {
		for j, b := range w.nodes {
			if i != j && apart(i, j) {
				cut = append(cut, w.link(a, b))
			}
		}
	}
	return cut
}

// halves cuts the nodes into two groups.
func (w *world) halves() {
	in := make([]bool, len(w.nodes))
	for i := range in {
		in[i] = w.chance(0.5)
	}
	w.tell("partition %v", in)
	w.blockFor(w.across(func(i, j int) bool { return in[i] != in[j] }), Halves, w.between(100, 3000))
}

// isolate cuts one node off from all others.
func (w *world) isolate() {
	n := w.victim()
	w.tell("n%d is cut off", n.id)
	w.blockFor(w.around(n), Isolation, w.between(100, 3000))
}

// around lists the links to and from a node.
func (w *world) around(n *node) []*link {
	at := int(n.id) - 1
	return w.across(func(i, j int) bool { return (i == at) != (j == at) })
}

// oneWay lets messages between some nodes pass in one direction only.
func (w *world) oneWay() {
	a, b := w.victim(), w.anyone()
	if a == b {
		return
	}
	cut := []*link{w.link(a, b)}
	if w.chance(0.5) { // nobody hears a, but a hears everybody
		for _, o := range w.nodes {
			if o != a && o != b {
				cut = append(cut, w.link(a, o))
			}
		}
	}
	w.tell("block %d links from n%d", len(cut), a.id)
	w.blockFor(cut, OneWay, w.between(100, 3000))
}

// ring leaves each voter a majority that it sees, and no two of them the same: the voters
// stand in a circle and reach only those next to them. Of three, the outer two do
// not see each other. Every node then finds a quorum that might follow it.
func (w *world) ring() { w.ringFor(w.between(300, 6000)) }

func (w *world) ringFor(ms int64) {
	order := w.members()
	n := len(order)
	if n < 3 {
		return
	}
	place := map[int]int{}
	for i, at := range w.rnd.Perm(n) {
		place[order[i]] = at
	}
	cut := w.across(func(i, j int) bool {
		a, isVoter := place[i]
		b, too := place[j]
		return isVoter && too && !inReach(a, b, n)
	})
	w.tell("ring of %d voters: %v", n, place)
	w.blockFor(cut, Ring, ms)
}

// inReach tells whether two places of a ring of n see each other.
func inReach(a, b, n int) bool {
	d := max(a-b, b-a)
	if n == 3 {
		return d < 2
	}
	return min(d, n-d) <= (n/2+1)/2
}

// members are the voters, as indices of nodes, of the latest set that anybody alive goes by.
func (w *world) members() (out []int) {
	end := int64(-1)
	for _, n := range w.nodes {
		if !n.up() {
			continue
		}
		set, _ := n.rep.Core().Voters()
		if at := int64(n.rep.Core().End().Offset); set.Len() > 0 && at > end {
			end, out = at, nil
			for _, v := range set.Voters() {
				out = append(out, int(v.Key.ID)-1)
			}
		}
	}
	return out
}

// swizzle cuts nodes off one after another, and lets them back one after another in another
// order (what FoundationDB calls swizzle-clogging): whoever returns meets those who
// went on without it, or another that returned with the past of another time.
func (w *world) swizzle() {
	if len(w.nodes) < 2 {
		return
	}
	order := w.rnd.Perm(len(w.nodes))[:w.between(2, int64(len(w.nodes)))]
	at := int64(0)
	began := map[int]int64{}
	for _, i := range order {
		began[i] = at
		at += w.between(0, 400)
	}
	w.tell("swizzle %v", order)
	w.rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, i := range order {
		at += w.between(0, 400)
		ms, n := at-began[i], w.nodes[i]
		w.after(began[i], func() {
			if !w.healed {
				w.blockFor(w.around(n), Swizzle, ms)
			}
		})
	}
}
