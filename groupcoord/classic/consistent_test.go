package classic

import "fmt"

// consistent checks the invariants of doc.go the slow way.
func (gs *Groups) consistent() error {
	alarms := 0
	for _, g := range gs.byID {
		n, err := g.consistent()
		if err != nil {
			return fmt.Errorf("group %s: %w", g.ID, err)
		}
		alarms += n
	}
	if alarms != gs.alarms.Len() {
		return fmt.Errorf("%d alarms are set, %d belong to someone", gs.alarms.Len(), alarms)
	}
	return nil
}

func (g *Group) consistent() (alarms int, err error) {
	awaiting, unsynced, n := 0, 0, 0
	supported, instances := map[string]int{}, 0
	for m := g.members.first; m != nil; m = m.next {
		n++
		if g.members.byID[m.ID] != m {
			return 0, fmt.Errorf("member %s is not found by its id", m.ID)
		}
		if m.join != 0 {
			awaiting++
		}
		if m.unsynced {
			unsynced++
		}
		for _, p := range m.Protocols {
			supported[p.Name]++
		}
		if m.InstanceID != nil {
			instances++
			if g.instances[*m.InstanceID] != m {
				return 0, fmt.Errorf("instance %s is not of member %s", *m.InstanceID, m.ID)
			}
		}
		if m.session.IsSet() {
			alarms++
		} else if !m.satisfied() {
			return 0, fmt.Errorf("member %s never expires", m.ID)
		}
	}
	if n != len(g.members.byID) || awaiting != g.awaiting || unsynced != g.unsynced || instances != len(g.instances) {
		return 0, fmt.Errorf("%d members of %d, awaiting %d of %d, unsynced %d of %d, instances %d of %d", n, len(g.members.byID),
			g.awaiting, awaiting, g.unsynced, unsynced, len(g.instances), instances)
	}
	for p, c := range supported {
		if g.supported[p] != c {
			return 0, fmt.Errorf("%d support %s, not %d", c, p, g.supported[p])
		}
	}
	if len(supported) != len(g.supported) {
		return 0, fmt.Errorf("%d protocols are supported, not %d", len(supported), len(g.supported))
	}
	if (g.leader == "") != (n == 0) || n > 0 && g.members.byID[g.leader] == nil {
		return 0, fmt.Errorf("leader %q of %d members", g.leader, n)
	}
	if g.state == Empty && n > 0 {
		return 0, fmt.Errorf("empty with %d members", n)
	}
	if g.is(Stable, CompletingRebalance) && n == 0 {
		return 0, fmt.Errorf("%v without members", g.state)
	}
	for _, p := range g.pending {
		if p.session.IsSet() {
			alarms++
		}
	}
	for _, set := range []bool{g.joining.IsSet(), g.syncing.IsSet()} {
		if set {
			alarms++
		}
	}
	return alarms, nil
}
