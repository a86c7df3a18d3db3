package raft

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// The files in testdata tell scenarios of KIP-595, 853 and 996 as they happen. Commands:
//
//	cluster voters=3 [dynamic] [observers=1]   new nodes; voters are 1, 2, …
//	until N ROLE                               time passes on node N, and messages arrive, until it has this role
//	elect N                                    time passes on node N until it leads, unseen
//	timeout N [times=1]                        time passes on node N until it acts
//	deliver [silent] [to=N] [from=N] [once]    messages under way arrive until there are none
//	drop [to=N] [from=N]                       they do not, and who asked is told
//	cut N / join N                             messages from and to N are lost silently / no more
//	bar from=N to=N                            a firewall refuses what N sends to N; without arguments: no more
//	append N [count=1]                         node N appends a batch
//	die N                                      node N is killed: its connections break and its port refuses
//	crash N [lose] / restart N                 lose: what was written since the last flush is gone; flushes are then held back with nosync
//	change N add=M | remove=M                  the administrator asks node N
//	stop N                                     orderly shutdown begins
//	snapshot N                                 node N snapshots what is committed and drops the log below
//	upgrade N                                  kraft.version 1 is asked for at node N
//	pass N ms=…                                time passes on node N, whose fetches are answered
//	has N epoch=E leader=L                     node N starts with the first record of an epoch that it alone fetched
//	wipe N                                     node N ends and gets an empty disk with another directory id
//	move N / addresses N                       it listens elsewhere after the next start / where it believes the voters to be
//	ask N fetch|vote|prevote|begin epoch=E …   the administrator sends node N this request
//	status                                     what each node is and has
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		h := &harness{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			h.out.Reset()
			h.command(t, d)
			if h.out.Len() == 0 {
				return "ok\n"
			}
			return h.out.String()
		})
	})
}

type harness struct {
	out   strings.Builder
	nodes []*testNode
	wire  []wireMessage
	// barred: from the one to the other every connection is refused
	barred [2]ids.NodeID
}

type testNode struct {
	id   ids.NodeID
	core *Core
	cfg  Config
	now  int64
	cut  bool
	down bool
	// refuses: its process is dead and its host lives
	refuses bool
	// the disk
	hard HardState
	log  []Entry
	snap *SnapshotState
	// open requests by the call the core knows them by
	open map[uint64]wireMessage
	next uint64
	said ids.Offset // high watermark last printed
}

type wireMessage struct {
	from, to ids.NodeID
	m        Message
	reply    bool
	admin    bool
}

func (h *harness) printf(format string, args ...any) { fmt.Fprintf(&h.out, format, args...) }

func (h *harness) command(t *testing.T, d *datadriven.TestData) {
	var n *testNode
	if len(d.CmdArgs) > 0 && len(d.CmdArgs[0].Vals) == 0 {
		var id int
		if _, err := fmt.Sscanf(d.CmdArgs[0].Key, "%d", &id); err == nil {
			n = h.nodes[id-1]
		}
	}
	arg := func(key string, def int) int {
		if d.HasArg(key) {
			d.ScanArgs(t, key, &def)
		}
		return def
	}
	switch d.Cmd {
	case "cluster":
		h.cluster(arg("voters", 1), arg("observers", 0), d.HasArg("dynamic"))
	case "timeout":
		for range arg("times", 1) {
			n.now = max(n.now, n.core.Deadline())
			n.core.Tick(n.now)
			h.settle(n)
		}
	case "deliver":
		h.deliver(ids.NodeID(arg("from", 0)), ids.NodeID(arg("to", 0)), d.HasArg("once"), d.HasArg("silent"))
	case "drop":
		h.drop(ids.NodeID(arg("from", 0)), ids.NodeID(arg("to", 0)))
	case "cut", "join":
		n.cut = d.Cmd == "cut"
	case "append":
		base, ok := n.core.Propose(n.core.hard.Epoch, arg("count", 1), nil)
		h.printf("%d appends at %d: %v\n", n.id, base, ok)
		h.settle(n)
	case "crash":
		h.crash(n)
	case "until":
		h.until(n, d.CmdArgs[1].Key)
	case "elect":
		h.elect(n)
	case "restart":
		if d.HasArg("lose") {
			n.log = n.log[:max(0, len(n.log)-arg("lose", 1))]
		}
		h.boot(n)
	case "change":
		h.change(n, ids.NodeID(arg("add", 0)), ids.NodeID(arg("remove", 0)))
	case "stop":
		n.core.Stop(n.now)
		h.settle(n)
	case "snapshot":
		h.snapshot(n)
	case "upgrade":
		last, code, why := n.core.UpgradeKRaft(n.core.hard.Epoch, 1, false)
		h.printf("%d: upgrade, last offset %d, error %d %s\n", n.id, last, code, why)
		h.settle(n)
	case "pass":
		for end := n.now + int64(arg("ms", 0)); n.now < end; n.now += 400 {
			h.quiet(n)
		}
	case "status":
		h.status()
	default:
		h.rare(t, d, n, arg)
	}
}

// rare are the commands that few scenarios need.
func (h *harness) rare(t *testing.T, d *datadriven.TestData, n *testNode, arg func(string, int) int) {
	switch d.Cmd {
	case "die":
		h.die(n)
	case "bar":
		h.barred = [2]ids.NodeID{ids.NodeID(arg("from", 0)), ids.NodeID(arg("to", 0))}
		if to := h.barred[1]; to > 0 {
			h.breakOpen(h.nodes[to-1], h.barred[0], true)
		}
	case "wipe":
		h.wipe(n)
	case "has": // as if that leader had been elected meanwhile, and only N had fetched from it
		e := ids.LeaderEpoch(arg("epoch", 0))
		at := n.core.End().Offset
		n.log = append(n.log, Entry{Base: at, Last: at, Epoch: e, Control: &Control{LeaderChange: &LeaderChange{Leader: ids.NodeID(arg("leader", 0))}}})
		n.hard = HardState{Epoch: e, Leader: ids.NodeID(arg("leader", 0)), Voted: noVote}
		h.crash(n)
		h.boot(n)
	case "move":
		n.cfg.Endpoints = []Endpoint{{Name: "C", Host: "new", Port: n.cfg.Endpoints[0].Port}}
		h.printf("%d will listen at %s\n", n.id, n.cfg.Endpoints[0].Host)
	case "addresses":
		for _, v := range n.core.log.lastVoters().Voters() {
			h.printf("%d knows voter %d at %s\n", n.id, v.Key.ID, v.Endpoints[0].Host)
		}
	case "replicas":
		h.replicas(n)
	case "ask":
		h.ask(t, d, n, arg)
	default:
		t.Fatalf("no command %s", d.Cmd)
	}
}

// wipe gives a node an empty disk with another directory id, as format does.
func (h *harness) wipe(n *testNode) {
	n.cfg.Self.Directory[0]++
	n.hard, n.log, n.snap = HardState{Leader: ids.NoNode, Voted: noVote}, nil, nil
	h.crash(n)
}

// crash ends a node's process, unnoticed.
func (h *harness) crash(n *testNode) {
	n.down = true
	h.wire = slices.DeleteFunc(h.wire, func(w wireMessage) bool { return w.from == n.id || w.to == n.id })
}

// ask sends a request of the administrator's own making.
func (h *harness) ask(t *testing.T, d *datadriven.TestData, n *testNode, arg func(string, int) int) {
	epoch := ids.LeaderEpoch(arg("epoch", 0))
	last := ids.OffsetAndEpoch{Offset: ids.Offset(arg("offset", 0)), Epoch: ids.LeaderEpoch(arg("last", 0))}
	var b Body
	switch d.CmdArgs[1].Key {
	case "fetch":
		b = FetchRequest{Replica: ReplicaKey{ID: -1}, Epoch: epoch, Last: last}
	case "vote", "prevote":
		b = VoteRequest{Candidate: ReplicaKey{ID: 9, Directory: dirOf(9)}, Voter: ReplicaKey{n.id, dirOf(n.id)}, Epoch: epoch, Last: last, PreVote: d.CmdArgs[1].Key == "prevote"}
	case "begin":
		b = BeginEpochRequest{Leader: ids.NodeID(arg("leader", 0)), Epoch: epoch, Endpoints: endpointOf(arg("leader", 0)), Voter: ReplicaKey{n.id, dirOf(n.id)}}
	default:
		t.Fatalf("no request %s", d.CmdArgs[1].Key)
	}
	n.next++
	n.open[n.next] = wireMessage{admin: true}
	n.core.Step(Message{Call: n.next, Body: b}, n.now)
	h.settle(n)
}

// quiet lets a follower fetch, unseen, so that its fetch timeout does not end.
func (h *harness) quiet(n *testNode) {
	out := h.out.String()
	n.core.Tick(n.now)
	h.settle(n)
	if f, ok := n.core.role.(*follower); ok {
		f.fetchDeadline = n.now + n.cfg.FetchTimeout
	}
	h.out.Reset()
	h.out.WriteString(out)
}

func dirOf(id ids.NodeID) ids.DirectoryID { return ids.DirectoryID{15: byte(id + 100)} }

func (h *harness) cluster(voters, observers int, dynamic bool) {
	*h = harness{}
	var vs []Voter
	for i := 1; i <= voters; i++ {
		v := Voter{Key: ReplicaKey{ID: ids.NodeID(i)}, Endpoints: endpointOf(i), MaxKRaft: 1}
		if dynamic {
			v.Key.Directory = dirOf(v.Key.ID)
		}
		vs = append(vs, v)
	}
	set, _ := NewVoterSet(vs...)
	for i := 1; i <= voters+observers; i++ {
		n := &testNode{id: ids.NodeID(i), hard: HardState{Leader: ids.NoNode, Voted: noVote}}
		n.cfg = Config{
			Self: ReplicaKey{n.id, dirOf(n.id)}, CanBeVoter: true, Endpoints: endpointOf(i), MaxKRaft: 1,
			ElectionTimeout: 1000, FetchTimeout: 2000, ElectionBackoff: 1000, RequestTimeout: 2000, RetryBackoff: 20, FetchMaxWait: 500, FetchMaxBytes: 1 << 20, SnapshotMaxBytes: 1 << 20,
		}
		if dynamic {
			n.snap = &SnapshotState{KRaftVersion: 1, HasVoters: true, Voters: set}
			n.cfg.Bootstrap = endpointOf(1)
		} else {
			n.cfg.Static = set
		}
		h.nodes = append(h.nodes, n)
		h.boot(n)
	}
}

func endpointOf(id int) []Endpoint { return []Endpoint{{Name: "C", Host: "n", Port: uint16(id)}} }

// boot starts a node from what its disk holds.
func (h *harness) boot(n *testNode) {
	n.down, n.refuses, n.open, n.said = false, false, map[uint64]wireMessage{}, ids.NoOffset
	var l raftLog
	if n.snap != nil {
		l.install(*n.snap)
		if n.snap.ID.Offset == 0 {
			l.Epochs = nil
		}
	}
	for _, e := range n.log {
		l.append(e)
	}
	n.cfg.Rand = rand.New(rand.NewPCG(1, uint64(n.id)))
	n.core = New(n.cfg, n.hard, l.LogState, n.now)
	h.settle(n)
}

// settle carries out what the core wants; every flush succeeds.
func (h *harness) settle(n *testNode) {
	for n.core.HasReady() {
		rd := n.core.Ready()
		for _, note := range rd.Notes {
			h.printf("  %d: %s\n", n.id, note)
		}
		if rd.Hard != nil {
			n.hard = *rd.Hard
		}
		for _, op := range rd.Log {
			if op.Append != nil {
				n.log = append(n.log, *op.Append)
			} else {
				n.log = slices.DeleteFunc(n.log, func(e Entry) bool { return e.Base >= *op.Truncate })
			}
		}
		for _, m := range append(rd.Send, rd.SendSynced...) {
			h.send(n, m)
		}
		n.core.Advance(n.now)
		if rd.Chunk != nil && rd.Chunk.Last {
			src := h.nodes[n.core.role.leaderID()-1]
			st := *src.snap
			n.snap, n.log = &st, nil
			n.core.SnapshotInstalled(&st, n.now)
		}
	}
	if hw := n.core.HighWatermark(); hw != n.said {
		n.said = hw
		h.printf("  %d: committed up to %d\n", n.id, hw)
	}
}

func (h *harness) send(n *testNode, m Message) {
	w := wireMessage{from: n.id, m: m}
	if len(m.To.Endpoints) > 0 {
		w.to = ids.NodeID(m.To.Endpoints[0].Port)
	} else {
		asked := n.open[m.Call]
		delete(n.open, m.Call)
		if asked.admin {
			h.printf("  %d answers the administrator: %s\n", n.id, prose(m.Body))
			return
		}
		w.to, w.reply = asked.from, true
		w.m = Message{Call: asked.m.Call, From: asked.m.To.ID, Body: h.fill(n, m.Body)}
	}
	h.wire = append(h.wire, w)
}

// fill stands for the driver's reading.
func (h *harness) fill(n *testNode, b Body) Body {
	switch r := b.(type) {
	case FetchReply:
		for _, e := range n.log {
			if r.Read && e.Base >= r.ReadFrom {
				r.Entries = append(r.Entries, e)
			}
		}
		return r
	case SnapshotReply:
		if r.Err == None {
			r.Data, r.Size = []byte("snapshot"), 8
		}
		return r
	}
	return b
}

func (h *harness) deliver(from, to ids.NodeID, once, silent bool) {
	for i := 0; i < 200; i++ {
		at := slices.IndexFunc(h.wire, func(w wireMessage) bool { return (from == 0 || w.from == from) && (to == 0 || w.to == to) })
		if at < 0 {
			return
		}
		w := h.wire[at]
		h.wire = slices.Delete(h.wire, at, at+1)
		src, dst := h.nodes[w.from-1], h.nodes[w.to-1]
		if src.cut || dst.cut || dst.down && (!dst.refuses || w.reply) {
			continue
		}
		if dst.down || !w.reply && h.barred == [2]ids.NodeID{w.from, w.to} {
			if !silent {
				h.printf("%d→%d %s is refused\n", w.from, w.to, prose(w.m.Body))
			}
			h.fail(w, true)
			continue
		}
		if !silent {
			h.printf("%d→%d %s\n", w.from, w.to, prose(w.m.Body))
		}
		h.arrive(dst, w)
		if once {
			return
		}
	}
}

func (h *harness) arrive(n *testNode, w wireMessage) {
	if _, ok := w.m.Body.(VersionsRequest); ok {
		h.wire = append(h.wire, wireMessage{from: n.id, to: w.from, reply: true, m: Message{Call: w.m.Call, From: w.m.To.ID, Body: VersionsReply{Known: true, MaxKRaft: 1}}})
		return
	}
	m := w.m
	if !w.reply {
		n.next++
		n.open[n.next] = w
		m = Message{Call: n.next, Body: w.m.Body}
	}
	n.core.Step(m, n.now)
	h.settle(n)
}

func (h *harness) drop(from, to ids.NodeID) {
	lost := h.wire
	h.wire = nil
	for _, w := range lost {
		if from != 0 && w.from != from || to != 0 && w.to != to {
			h.wire = append(h.wire, w)
			continue
		}
		h.printf("%d→%d %s is lost\n", w.from, w.to, prose(w.m.Body))
		if !w.reply && !h.nodes[w.from-1].down {
			h.fail(w, false)
		}
	}
}

// fail tells who asked that there will be no answer.
func (h *harness) fail(w wireMessage, refused bool) {
	n := h.nodes[w.from-1]
	n.core.Step(Message{Call: w.m.Call, From: w.m.To.ID, Body: Unreachable{Refused: refused}}, n.now)
	h.settle(n)
}

// die ends a process whose host lives: its connections break and its port refuses.
func (h *harness) die(n *testNode) {
	n.down, n.refuses = true, true
	lost := h.wire
	h.wire = slices.DeleteFunc(slices.Clone(lost), func(w wireMessage) bool { return w.from == n.id || w.to == n.id })
	for _, w := range lost {
		if w.to == n.id && !w.reply {
			h.printf("%d→%d %s is refused\n", w.from, w.to, prose(w.m.Body))
			h.fail(w, true)
		}
	}
	h.breakOpen(n, 0, true)
}

// breakOpen breaks the connections under what n holds unanswered of the node from, or of all; refused: and
// they cannot be made again.
func (h *harness) breakOpen(n *testNode, from ids.NodeID, refused bool) {
	how := map[bool]string{true: "refused", false: "lost"}[refused]
	for _, call := range slices.Sorted(maps.Keys(n.open)) {
		if w := n.open[call]; !w.admin && (from == 0 || w.from == from) {
			delete(n.open, call)
			h.printf("%d→%d %s is %s\n", w.from, w.to, prose(w.m.Body), how)
			h.fail(w, refused)
		}
	}
}

// until lets time pass on n, and all messages arrive, until it has the role.
func (h *harness) until(n *testNode, role string) {
	for i := 0; n.core.Role().String() != role && i < 100; i++ {
		n.now = max(n.now, n.core.Deadline())
		n.core.Tick(n.now)
		h.settle(n)
		if n.core.Role().String() != role {
			h.deliver(0, 0, false, true)
		}
	}
}

// elect lets n be elected, unseen, and everybody fetch.
func (h *harness) elect(n *testNode) {
	h.until(n, "Leader")
	h.out.Reset()
	h.printf("%d leads epoch %d\n", n.id, n.core.hard.Epoch)
}

func (h *harness) change(n *testNode, add, remove ids.NodeID) {
	n.next++
	n.open[n.next] = wireMessage{admin: true}
	var b Body = RemoveVoterRequest{Voter: ReplicaKey{remove, dirOf(remove)}}
	if add > 0 {
		b = AddVoterRequest{Voter: ReplicaKey{add, dirOf(add)}, Endpoints: endpointOf(int(add)), AckWhenCommitted: true}
	}
	n.core.Step(Message{Call: n.next, Body: b}, n.now)
	h.settle(n)
}

func (h *harness) snapshot(n *testNode) {
	at := ids.OffsetAndEpoch{Offset: n.core.hw, Epoch: n.core.EpochAt(n.core.hw)}
	set, kraft, has := n.core.VotersAt(at.Offset - 1)
	n.snap = &SnapshotState{ID: at, KRaftVersion: kraft, HasVoters: has, Voters: set}
	n.core.SnapshotWritten(at)
	n.core.PrefixDropped(at.Offset)
	n.log = slices.DeleteFunc(n.log, func(e Entry) bool { return e.Last < at.Offset })
	h.printf("%d has a snapshot at %v\n", n.id, at)
}

func (h *harness) status() {
	for _, n := range h.nodes {
		if n.down {
			h.printf("%d is down\n", n.id)
			continue
		}
		c := n.core
		h.printf("%d %-11v epoch %d leader %d, log %v committed %d, voters %v\n", n.id, c.Role(), c.hard.Epoch, c.LeaderAndEpoch().Leader, c.End(), c.hw, voterIDs(c.log.lastVoters()))
	}
}

// replicas tells what the leader knows of those who follow it.
func (h *harness) replicas(n *testNode) {
	voters, observers, _ := n.core.Describe(n.now)
	for i, r := range append(voters, observers...) {
		role := "observer"
		if i < len(voters) {
			role = "voter"
		}
		h.printf("%s %v up to %d, heard of: %v\n", role, r.Key, r.End, r.LastFetch >= 0)
	}
}

func voterIDs(s VoterSet) (out []ids.NodeID) {
	for _, v := range s.Voters() {
		out = append(out, v.Key.ID)
	}
	return out
}

// prose says what a message says.
func prose(b Body) string {
	info := func(i LeaderInfo) string {
		s := fmt.Sprintf("epoch %d", i.Epoch)
		if i.Leader >= 0 {
			s += fmt.Sprintf(" leader %d", i.Leader)
		}
		if i.Err != None {
			s += fmt.Sprintf(", error %d", i.Err)
		}
		return s
	}
	switch m := b.(type) {
	case VoteRequest:
		if m.PreVote {
			return fmt.Sprintf("would you vote for me in epoch %d, log %v?", m.Epoch, m.Last)
		}
		return fmt.Sprintf("vote for me in epoch %d, log %v", m.Epoch, m.Last)
	case VoteReply:
		return fmt.Sprintf("vote %v (%s)", map[bool]string{true: "granted", false: "refused"}[m.Granted], info(m.LeaderInfo))
	case BeginEpochRequest:
		return fmt.Sprintf("I lead epoch %d", m.Epoch)
	case BeginEpochReply:
		return "noted (" + info(m.LeaderInfo) + ")"
	case EndEpochRequest:
		return fmt.Sprintf("I resign from epoch %d, successors %v", m.Epoch, successorIDs(m.Successors))
	case EndEpochReply:
		return "noted (" + info(m.LeaderInfo) + ")"
	case FetchRequest:
		return fmt.Sprintf("fetch in epoch %d from %v, committed %d", m.Epoch, m.Last, m.HighWatermark)
	case FetchReply:
		return "records: " + proseFetch(m) + " (" + info(m.LeaderInfo) + ")"
	case SnapshotRequest:
		return fmt.Sprintf("fetch snapshot %v from byte %d", m.ID, m.Position)
	case SnapshotReply:
		return fmt.Sprintf("snapshot %v, %d bytes of %d (%s)", m.ID, len(m.Data), m.Size, info(m.LeaderInfo))
	case VoterReply:
		return fmt.Sprintf("%s %s", info(m.LeaderInfo), m.Text)
	}
	return fmt.Sprintf("%T", b)
}

func successorIDs(ks []ReplicaKey) (out []ids.NodeID) {
	for _, k := range ks {
		out = append(out, k.ID)
	}
	return out
}

func proseFetch(m FetchReply) string {
	switch {
	case m.Diverging != nil:
		return fmt.Sprintf("none, our logs part: epoch %d ends at %d", m.Diverging.Epoch, m.Diverging.Offset)
	case m.Snapshot != nil:
		return fmt.Sprintf("none, fetch snapshot %v", *m.Snapshot)
	case len(m.Entries) == 0:
		return fmt.Sprintf("none, committed %d", m.HighWatermark)
	}
	first, last := m.Entries[0], m.Entries[len(m.Entries)-1]
	return fmt.Sprintf("%d-%d, committed %d", first.Base, last.Last, m.HighWatermark)
}
