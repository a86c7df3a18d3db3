package consumer

import (
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/groupcoord/alarm"
	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/groupcoord/rebalance"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// ProtocolType is the protocol type of consumer groups, as lists name it.
const ProtocolType = "consumer"

// firstEpoch is the epoch of a group and its assignment before the first change.
const firstEpoch = 1

// noAssignment is the assignment epoch of a group whose assignment was deleted.
const noAssignment = -1

// Group is one consumer group.
type Group struct {
	ID   string
	home *Groups

	epoch           int32
	hash            int64 // of the metadata of the subscribed topics, see hash.go
	assignmentEpoch int32
	assignedAt      int64 // ms, when the target was computed; 0 not known

	members    map[string]*Member
	list       []*Member // the same, by id
	statics    map[string]*Member
	targets    map[string]target
	parts      map[ids.TopicIDPartition]part
	sets       map[*Set]int   // members by the topics they name
	names      map[string]int // how many of sets name the topic
	regexes    map[string]int // members by regular expression
	resolved   map[string]Resolved
	assignors  map[string]int // members by the assignor they ask for
	classic    int            // members that speak the classic protocol
	protocols  map[string]int // of those, how many support a protocol
	reconciled int

	// legacy: the log has the record of subscription metadata that Kafka kept
	// before 4.1; it is deleted when the hash is written.
	legacy bool

	// fresh is the epoch since which the hash is known to be that of the topics;
	// 0: it has to be looked at. Should the epoch never come, its record was lost.
	hashedIn int32
	// looked is when regular expressions were last matched here, 0 never.
	looked int64
	// searching is the matching of regular expressions that is under way.
	searching *Search

	settings   Settings
	generation uint64 // of the settings
	atOnce     int    // members that may be fenced with one decision
	assigning  alarm.Alarm[due]
	matching   alarm.Alarm[due]
	story      rebalance.Story
}

// part is what there is to know about a partition that somebody has or shall have.
type part struct {
	owner  *Member
	target string // the member whose target it is in, "" none
}

// target is what a member shall have.
type target struct {
	assignment assignor.Assignment
}

// State is where a group is in the protocol.
type State uint8

// The states of a group.
const (
	Empty State = iota
	Assigning
	Reconciling
	Stable
)

var stateNames = [...]string{"Empty", "Assigning", "Reconciling", "Stable"}

func (s State) String() string { return stateNames[s] }

// State is the group's state.
func (g *Group) State() State {
	switch {
	case len(g.list) == 0:
		return Empty
	case g.epoch > g.assignmentEpoch:
		return Assigning
	case g.reconciled < len(g.list):
		return Reconciling
	default:
		return Stable
	}
}

// Epoch is the group epoch.
func (g *Group) Epoch() int32 { return g.epoch }

// Members is the number of members.
func (g *Group) Members() int { return len(g.list) }

// IsEmpty tells whether the group has no members.
func (g *Group) IsEmpty() bool { return len(g.list) == 0 }

// Subscribed tells whether a member subscribes to the topic.
func (g *Group) Subscribed(topic string) bool {
	if g.names[topic] > 0 {
		return true
	}
	for _, r := range g.resolved {
		if r.topics.has(topic) {
			return true
		}
	}
	return false
}

// place is where a member of this id is in the list, or would be.
func (g *Group) place(id string) (int, bool) {
	return slices.BinarySearchFunc(g.list, id, func(m *Member, id string) int { return strings.Compare(m.ID, id) })
}

// own are the group's settings.
func (g *Group) own() *Settings {
	if g.generation != g.home.generation {
		g.settings, g.generation = g.home.cfg.Settings(g.ID), g.home.generation
	}
	return &g.settings
}

// owner is who has a partition, or has still to give it up.
func (g *Group) owner(topic ids.TopicID, partition int32) *Member {
	return g.parts[ids.TopicIDPartition{Topic: topic, Partition: partition}].owner
}

// setPart keeps what is known about a partition as long as there is something.
func (g *Group) setPart(tp ids.TopicIDPartition, p part) {
	if p == (part{}) {
		delete(g.parts, tp)
		return
	}
	g.parts[tp] = p
}

// count adds n to an entry of a map whose entries are never 0.
func count[K comparable](m map[K]int, k K, n int) int {
	v := m[k] + n
	if v == 0 {
		delete(m, k)
	} else {
		m[k] = v
	}
	return v
}
