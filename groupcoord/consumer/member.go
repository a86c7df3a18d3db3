package consumer

import (
	"bytes"
	"slices"

	"github.com/gregorbroker/gregor/groupcoord/alarm"
	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Member epochs with a meaning of their own.
const (
	epochLeave       = -1 // a member leaves
	epochLeaveStatic = -2 // a static member leaves, and comes back
	epochJoin        = 0
)

// MemberState is how far a member is on its way to its target.
type MemberState int8

// The states of a member, with the numbers they have in records.
const (
	MemberStable     MemberState = 0   // it has its target
	MemberUnrevoked  MemberState = 1   // it has still to give partitions up
	MemberUnreleased MemberState = 2   // it waits for partitions of others
	MemberUnknown    MemberState = 127 // a state of a version to come
)

var memberStateNames = map[MemberState]string{
	MemberStable: "stable", MemberUnrevoked: "revoking", MemberUnreleased: "waiting for partitions", MemberUnknown: "unknown",
}

func (s MemberState) String() string { return memberStateNames[s] }

// About is what a member says of itself.
type About struct {
	Instance, Rack   *string
	ClientID, Host   string
	Topics           *Set    // never nil
	Regex            *string // "" for none, as nil
	RebalanceTimeout int32   // ms
	Assignor         *string // nil: the group's choice
	// Classic is what a member that speaks the classic protocol says, nil for others.
	Classic *records.ClassicMemberMetadata
}

// regex is the regular expression, "" for none.
func (a *About) regex() string {
	if a.Regex == nil {
		return ""
	}
	return *a.Regex
}

func (a *About) equal(b *About) bool {
	return same(a.Instance, b.Instance) && same(a.Rack, b.Rack) && a.ClientID == b.ClientID && a.Host == b.Host &&
		a.Topics.equal(b.Topics) && same(a.Regex, b.Regex) && a.RebalanceTimeout == b.RebalanceTimeout &&
		same(a.Assignor, b.Assignor) && sameClassic(a.Classic, b.Classic)
}

func sameClassic(a, b *records.ClassicMemberMetadata) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.SessionTimeoutMs == b.SessionTimeoutMs && slices.EqualFunc(a.SupportedProtocols, b.SupportedProtocols,
		func(x, y records.ClassicProtocol) bool {
			return x.Name == y.Name && bytes.Equal(x.Metadata, y.Metadata)
		})
}

func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// Standing is where a member stands.
type Standing struct {
	Epoch    int32
	Previous int32 // the epoch before, whose reply may have been lost
	State    MemberState
	Assigned Ownership
	Revoking Ownership // it was told to give these up and has not said that it did
}

func (s *Standing) equal(o *Standing) bool {
	return s.Epoch == o.Epoch && s.Previous == o.Previous && s.State == o.State &&
		s.Assigned.equal(o.Assigned) && s.Revoking.equal(o.Revoking)
}

// Member is one member of a group.
type Member struct {
	ID string
	About
	Standing

	group *Group

	// settled: it waits for others, and nothing has changed for it since it was
	// last looked at.
	settled bool
	told    bool // in the news

	session   alarm.Alarm[due]
	rebalance alarm.Alarm[due]
	join      alarm.Alarm[due] // classic members only
	sync      alarm.Alarm[due] // classic members only
}

// reconciledTo tells whether nothing is left to do for the member in an epoch.
func (m *Standing) reconciledTo(epoch int32) bool { return m.State == MemberStable && m.Epoch == epoch }

// isClassic tells whether the member speaks the classic protocol.
func (a *About) isClassic() bool { return a.Classic != nil }

// Ownership is partitions of topics, with the epoch since which each is had:
// topics in order, none without partitions. It is never changed once made.
type Ownership []Owned

// Owned is partitions of one topic, in order, and as many epochs.
type Owned struct {
	Topic      ids.TopicID
	Partitions []int32
	Epochs     []int32
}

func (o Ownership) equal(p Ownership) bool {
	return slices.EqualFunc(o, p, func(a, b Owned) bool {
		return a.Topic == b.Topic && slices.Equal(a.Partitions, b.Partitions) && slices.Equal(a.Epochs, b.Epochs)
	})
}

// of is what is owned of a topic.
func (o Ownership) of(topic ids.TopicID) *Owned {
	i, ok := slices.BinarySearchFunc(o, topic, func(w Owned, t ids.TopicID) int { return compareTopics(w.Topic, t) })
	if !ok {
		return nil
	}
	return &o[i]
}

// epoch is the epoch since which a partition is owned.
func (o Ownership) epoch(topic ids.TopicID, partition int32) (int32, bool) {
	w := o.of(topic)
	if w == nil {
		return 0, false
	}
	i, ok := slices.BinarySearch(w.Partitions, partition)
	if !ok {
		return 0, false
	}
	return w.Epochs[i], true
}

func (o Ownership) has(topic ids.TopicID, partition int32) bool {
	_, ok := o.epoch(topic, partition)
	return ok
}

// each calls f with every partition.
func (o Ownership) each(f func(ids.TopicIDPartition)) {
	for i := range o {
		for _, p := range o[i].Partitions {
			f(ids.TopicIDPartition{Topic: o[i].Topic, Partition: p})
		}
	}
}

// assignment is the same without epochs.
func (o Ownership) assignment() assignor.Assignment {
	out := make(assignor.Assignment, len(o))
	for i := range o {
		out[i] = assignor.TopicPartitions{Topic: o[i].Topic, Partitions: o[i].Partitions}
	}
	return out
}

// count is the number of partitions.
func (o Ownership) count() int {
	n := 0
	for i := range o {
		n += len(o[i].Partitions)
	}
	return n
}

// since is the same partitions, all had since epoch.
func (o Ownership) since(epoch int32) Ownership {
	out := make(Ownership, len(o))
	for i := range o {
		out[i] = Owned{Topic: o[i].Topic, Partitions: o[i].Partitions, Epochs: repeat(epoch, len(o[i].Partitions))}
	}
	return out
}

func repeat(v int32, n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func compareTopics(a, b ids.TopicID) int { return bytes.Compare(a[:], b[:]) }

// merge is the topics of both, each with all its partitions.
func (o Ownership) merge(p Ownership) Ownership {
	out := slices.Clone(o)
	for _, w := range p {
		i, there := slices.BinarySearchFunc(out, w.Topic, func(x Owned, t ids.TopicID) int { return compareTopics(x.Topic, t) })
		if !there {
			out = slices.Insert(out, i, w)
			continue
		}
		out[i] = out[i].join(w)
	}
	return out
}

// join is the partitions of two owned of one topic, those of p counting where both have one.
func (w Owned) join(p Owned) Owned {
	out := Owned{Topic: w.Topic}
	add := func(o *Owned, i int) {
		out.Partitions = append(out.Partitions, o.Partitions[i])
		out.Epochs = append(out.Epochs, o.Epochs[i])
	}
	i, j := 0, 0
	for i < len(w.Partitions) || j < len(p.Partitions) {
		switch {
		case j == len(p.Partitions) || i < len(w.Partitions) && w.Partitions[i] < p.Partitions[j]:
			add(&w, i)
			i++
		default:
			if i < len(w.Partitions) && w.Partitions[i] == p.Partitions[j] {
				i++
			}
			add(&p, j)
			j++
		}
	}
	return out
}
