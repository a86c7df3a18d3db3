package consumer

import (
	"slices"

	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Replay applies a record of a consumer group; a nil value is a tombstone. While
// loading no alarm is set. It tells whether the record is of a consumer group.
//
// Compaction keeps the last record of each key at its place. So a member's
// records may come in any order, and tombstones of what was never seen.
func (gs *Groups) Replay(key, value records.Record, loading bool, now int64) bool {
	id, ok := GroupOf(key)
	if !ok {
		return false
	}
	g := gs.byID[id]
	if g == nil {
		if value == nil {
			return true
		}
		g = gs.ensure(id)
	}
	w := &writing{g: g, loading: loading, now: now}
	switch k := key.(type) {
	case *records.ConsumerGroupMetadataKey:
		v, _ := value.(*records.ConsumerGroupMetadataValue)
		w.epoch(v)
	case *records.ConsumerGroupPartitionMetadataKey:
		g.legacy = value != nil
	case *records.ConsumerGroupMemberMetadataKey:
		v, _ := value.(*records.ConsumerGroupMemberMetadataValue)
		w.about(k.MemberID, v)
	case *records.ConsumerGroupTargetAssignmentMetadataKey:
		v, _ := value.(*records.ConsumerGroupTargetAssignmentMetadataValue)
		w.assignmentEpoch(v)
	case *records.ConsumerGroupTargetAssignmentMemberKey:
		v, _ := value.(*records.ConsumerGroupTargetAssignmentMemberValue)
		w.target(k.MemberID, v)
	case *records.ConsumerGroupCurrentMemberAssignmentKey:
		v, _ := value.(*records.ConsumerGroupCurrentMemberAssignmentValue)
		w.standing(k.MemberID, v)
	case *records.ConsumerGroupRegularExpressionKey:
		v, _ := value.(*records.ConsumerGroupRegularExpressionValue)
		w.regex(k.RegularExpression, v)
	}
	w.finish()
	return true
}

// GroupOf is the group that the key of a consumer group's record is of.
func GroupOf(key records.Record) (string, bool) {
	switch k := key.(type) {
	case *records.ConsumerGroupMetadataKey:
		return k.GroupID, true
	case *records.ConsumerGroupPartitionMetadataKey:
		return k.GroupID, true
	case *records.ConsumerGroupMemberMetadataKey:
		return k.GroupID, true
	case *records.ConsumerGroupTargetAssignmentMetadataKey:
		return k.GroupID, true
	case *records.ConsumerGroupTargetAssignmentMemberKey:
		return k.GroupID, true
	case *records.ConsumerGroupCurrentMemberAssignmentKey:
		return k.GroupID, true
	case *records.ConsumerGroupRegularExpressionKey:
		return k.GroupID, true
	default:
		return "", false
	}
}

// writing is the application of one record.
type writing struct {
	g       *Group
	loading bool
	now     int64
}

func (w *writing) epoch(v *records.ConsumerGroupMetadataValue) {
	if v == nil {
		w.g.home.remove(w.g)
		return
	}
	w.g.epoch, w.g.hash = v.Epoch, v.MetadataHash
}

func (w *writing) assignmentEpoch(v *records.ConsumerGroupTargetAssignmentMetadataValue) {
	g := w.g
	g.assignmentEpoch, g.assignedAt = noAssignment, 0
	if v != nil {
		g.assignmentEpoch, g.assignedAt = v.AssignmentEpoch, v.AssignmentTimestamp
	}
	g.reconciled = 0
	for _, m := range g.list {
		m.settled = false
		if m.reconciledTo(g.assignmentEpoch) {
			g.reconciled++
		}
	}
	switch {
	case w.loading:
	case len(g.list) <= tellAll:
		for _, m := range g.list {
			g.tell(m)
		}
	default:
		g.home.news = append(g.home.news, newsOf{group: g.ID})
	}
}

func (w *writing) target(id string, v *records.ConsumerGroupTargetAssignmentMemberValue) {
	g := w.g
	old := g.targets[id]
	if v == nil {
		delete(g.targets, id)
	} else {
		g.targets[id] = target{assignmentOf(v)}
	}
	g.retarget(id, old.assignment, g.targets[id].assignment)
	if m := g.members[id]; m != nil {
		m.settled = false
		if !w.loading {
			g.tell(m)
		}
	}
}

// retarget notes for each partition whose target it is in.
func (g *Group) retarget(id string, old, now assignor.Assignment) {
	eachOf(old, func(tp ids.TopicIDPartition) {
		if p := g.parts[tp]; p.target == id {
			p.target = ""
			g.setPart(tp, p)
		}
	})
	eachOf(now, func(tp ids.TopicIDPartition) {
		p := g.parts[tp]
		p.target = id
		g.setPart(tp, p)
	})
}

func eachOf(a assignor.Assignment, f func(ids.TopicIDPartition)) {
	for i := range a {
		for _, p := range a[i].Partitions {
			f(ids.TopicIDPartition{Topic: a[i].Topic, Partition: p})
		}
	}
}

func assignmentOf(v *records.ConsumerGroupTargetAssignmentMemberValue) assignor.Assignment {
	out := make(assignor.Assignment, 0, len(v.TopicPartitions))
	for _, t := range v.TopicPartitions {
		if len(t.Partitions) > 0 {
			slices.Sort(t.Partitions)
			out = append(out, assignor.TopicPartitions{Topic: t.TopicID, Partitions: slices.Compact(t.Partitions)})
		}
	}
	slices.SortFunc(out, func(a, b assignor.TopicPartitions) int { return compareTopics(a.Topic, b.Topic) })
	return out
}

func (w *writing) about(id string, v *records.ConsumerGroupMemberMetadataValue) {
	m := w.g.members[id]
	switch {
	case v == nil && m != nil:
		w.g.drop(m)
	case v != nil && m == nil:
		m = w.add(id)
		w.g.setAbout(m, w.g.home.aboutOf(v))
		w.greet(m)
	case v != nil:
		w.g.setAbout(m, w.g.home.aboutOf(v))
	}
}

func (gs *Groups) aboutOf(v *records.ConsumerGroupMemberMetadataValue) About {
	a := About{
		Instance: v.InstanceID, Rack: v.RackID, ClientID: v.ClientID, Host: v.ClientHost,
		Topics: gs.setOf(v.SubscribedTopicNames), Regex: v.SubscribedTopicRegex,
		RebalanceTimeout: v.RebalanceTimeoutMs, Assignor: v.ServerAssignor,
	}
	if c := v.ClassicMemberMetadata; c != nil && (c.SessionTimeoutMs != 0 || len(c.SupportedProtocols) > 0) {
		a.Classic = detached(c)
	}
	return a
}

// add makes a member that nothing is known of yet.
func (w *writing) add(id string) *Member {
	g := w.g
	m := &Member{ID: id, group: g, About: About{Topics: nothing, Regex: new(""), RebalanceTimeout: -1}, Standing: Standing{Previous: -1}}
	g.members[id] = m
	at, _ := g.place(id)
	g.list = slices.Insert(g.list, at, m)
	g.countAbout(m, 1)
	return m
}

// greet begins the session of a new member.
func (w *writing) greet(m *Member) {
	if !w.loading {
		w.g.home.refresh(m, w.now)
	}
}

// finish looks at what the record means for the group as a whole: there may be
// something to compute, or a rebalance may be over.
func (w *writing) finish() {
	g := w.g
	if w.loading || g.home.byID[g.ID] != g {
		return
	}
	g.home.assignAt(g, w.now)
	g.watchPatterns(w.now)
	if s := g.State(); g.story.Running() && g.epoch >= g.story.To() && (s == Stable || s == Empty) {
		done := g.story.End(w.now)
		g.home.told = append(g.home.told, Note{Group: g.ID, Epoch: g.epoch, Text: "rebalanced", Done: &done})
	}
}

// drop takes a member out of the group.
func (g *Group) drop(m *Member) {
	g.home.cancel(m)
	g.setStanding(m, Standing{Epoch: epochLeave, Previous: epochLeave})
	g.countAbout(m, -1)
	at, _ := g.place(m.ID)
	g.list = slices.Delete(g.list, at, at+1)
	delete(g.members, m.ID)
	g.tell(m)
}

func (g *Group) setAbout(m *Member, a About) {
	g.countAbout(m, -1)
	m.About = a
	m.settled = false
	g.countAbout(m, 1)
}

// countAbout adds what the member says of itself to the group's counts, or takes
// it away.
func (g *Group) countAbout(m *Member, n int) {
	g.countSet(m.Topics, n)
	if r := m.regex(); r != "" {
		if g.regexes == nil {
			g.regexes = map[string]int{}
		}
		count(g.regexes, r, n)
	}
	if m.Assignor != nil {
		count(g.assignors, *m.Assignor, n)
	}
	if m.Classic != nil {
		g.classic += n
		if g.protocols == nil {
			g.protocols = map[string]int{}
		}
		for i := range m.Classic.SupportedProtocols {
			count(g.protocols, m.Classic.SupportedProtocols[i].Name, n)
		}
	}
	switch {
	case m.Instance == nil:
	case n > 0:
		g.statics[*m.Instance] = m
	case g.statics[*m.Instance] == m:
		delete(g.statics, *m.Instance)
	}
}

func (g *Group) countSet(s *Set, n int) {
	before := g.sets[s]
	switch after := count(g.sets, s, n); {
	case before == 0:
		g.home.keep(s)
	case after == 0:
		g.home.release(s)
	default:
		return
	}
	for _, name := range s.names {
		count(g.names, name, n)
	}
}

func (w *writing) standing(id string, v *records.ConsumerGroupCurrentMemberAssignmentValue) {
	g := w.g
	m := g.members[id]
	if v == nil {
		if m != nil {
			g.setStanding(m, Standing{Epoch: epochLeave, Previous: epochLeave, State: m.State})
		}
		return
	}
	if m == nil {
		m = w.add(id)
		w.greet(m)
	}
	g.setStanding(m, Standing{
		Epoch: v.MemberEpoch, Previous: v.PreviousMemberEpoch, State: stateOf(v.State),
		Assigned: ownershipOf(v.AssignedPartitions, v.MemberEpoch), Revoking: ownershipOf(v.PartitionsPendingRevocation, v.MemberEpoch),
	})
	if !w.loading {
		g.home.watchRevocation(m, w.now)
	}
}

func stateOf(b int8) MemberState {
	if s := MemberState(b); s == MemberStable || s == MemberUnrevoked || s == MemberUnreleased {
		return s
	}
	return MemberUnknown
}

// ownershipOf reads what a record says. Before 4.3 it did not say since when:
// then since the member's epoch.
func ownershipOf(list []records.ConsumerGroupCurrentMemberAssignmentTopicPartitions, epoch int32) Ownership {
	var out Ownership
	for _, t := range list {
		if len(t.Partitions) == 0 {
			continue
		}
		w := Owned{Topic: t.TopicID, Partitions: t.Partitions, Epochs: t.AssignmentEpochs}
		if len(w.Epochs) != len(w.Partitions) {
			w.Epochs = repeat(max(epoch, 0), len(w.Partitions))
		}
		if !slices.IsSorted(w.Partitions) {
			w = w.sorted()
		}
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b Owned) int { return compareTopics(a.Topic, b.Topic) })
	return out
}

func (w Owned) sorted() Owned {
	out := Owned{Topic: w.Topic}
	for i, p := range w.Partitions {
		at, _ := slices.BinarySearch(out.Partitions, p)
		out.Partitions = slices.Insert(out.Partitions, at, p)
		out.Epochs = slices.Insert(out.Epochs, at, w.Epochs[i])
	}
	return out
}

// setStanding moves a member, and the partitions that it has with it. Whoever
// waits for one that it gave up has news.
func (g *Group) setStanding(m *Member, to Standing) {
	old := m.Standing
	if old.reconciledTo(g.assignmentEpoch) {
		g.reconciled--
	}
	if to.reconciledTo(g.assignmentEpoch) {
		g.reconciled++
		if to.Epoch != old.Epoch || to.State != old.State {
			g.story.Arrived(m.ID)
		}
	}
	m.Standing, m.settled = to, false
	disown := func(tp ids.TopicIDPartition) {
		if p := g.parts[tp]; p.owner == m {
			p.owner = nil
			g.setPart(tp, p)
		}
	}
	old.Assigned.each(disown)
	old.Revoking.each(disown)
	own := func(tp ids.TopicIDPartition) {
		p := g.parts[tp]
		p.owner = m
		g.setPart(tp, p)
	}
	to.Assigned.each(own)
	to.Revoking.each(own)
	free := func(tp ids.TopicIDPartition) {
		if p := g.parts[tp]; p.owner == nil && p.target != "" {
			g.released(p.target)
		}
	}
	old.Assigned.each(free)
	old.Revoking.each(free)
}

func (w *writing) regex(re string, v *records.ConsumerGroupRegularExpressionValue) {
	g := w.g
	if v == nil {
		delete(g.resolved, re)
		return
	}
	if g.resolved == nil {
		g.resolved = map[string]Resolved{}
	}
	g.resolved[re] = Resolved{topics: g.home.setOf(v.Topics), version: v.Version, at: v.Timestamp}
}
