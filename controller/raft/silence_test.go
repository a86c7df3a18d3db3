package raft

import "testing"

// The silence of a leader is judged by the fetch timeout: a follower that hears nothing more, and is
// not refused either, stays one up to it, and then another leads.
func TestSilenceIsJudgedByTheFetchTimeout(t *testing.T) {
	h := &harness{}
	h.cluster(3, 0, false)
	lead := h.nodes[0]
	h.elect(lead)
	h.run(3000, 0)
	// The last answer is up to as old as the leader holds a fetch.
	h.run(lead.cfg.FetchTimeout-lead.cfg.FetchMaxWait-100, lead.id)
	for _, n := range h.nodes[1:] {
		if n.core.Role() != Follower {
			t.Errorf("node %d is %v before its fetch timeout", n.id, n.core.Role())
		}
	}
	h.run(10_000, lead.id)
	if now := h.leaders(t); len(now) != 1 || now[0] == lead {
		t.Errorf("leaders %v behind the fetch timeout", now)
	}
}

// A connection that breaks while the port still accepts is no death: nobody campaigns.
func TestABrokenConnectionDeposesNobody(t *testing.T) {
	h := &harness{}
	h.cluster(3, 0, false)
	lead := h.nodes[0]
	h.elect(lead)
	h.run(3000, 0)
	epoch := lead.core.hard.Epoch
	for range 40 {
		h.drop(0, 0)
		h.breakOpen(lead, 0, false)
		h.run(1000, 0) // longer than the leader holds a fetch
		for _, n := range h.nodes {
			if want := map[bool]Role{true: Leader, false: Follower}[n == lead]; n.core.Role() != want || n.core.hard.Epoch != epoch {
				t.Fatalf("node %d is %v in epoch %d", n.id, n.core.Role(), n.core.hard.Epoch)
			}
		}
	}
}

// A port that refuses needs no timeout: another leads before the first fetch timeout could end.
func TestARefusingPortNeedsNoTimeout(t *testing.T) {
	h := &harness{}
	h.cluster(3, 0, false)
	lead := h.nodes[0]
	h.elect(lead)
	h.run(3000, 0)
	h.die(lead)
	h.run(lead.cfg.FetchTimeout/4, 0)
	if now := h.leaders(t); len(now) != 1 || now[0] == lead {
		t.Errorf("leaders %v a quarter of a fetch timeout later", now)
	}
}
