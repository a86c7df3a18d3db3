package consumer

import (
	"slices"

	"github.com/gregorbroker/gregor/groupcoord/alarm"
	"github.com/gregorbroker/gregor/groupcoord/rebalance"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Config is the broker's rules for consumer groups. Times are in ms.
type Config struct {
	MaxSize        int      // members of one group, group.consumer.max.size
	ClassicMaxSize int      // group.max.size, which a downgraded group must keep
	Assignors      []string // server-side assignors that may be asked for, the default first
	Upgrade        bool     // group.consumer.migration.policy
	Downgrade      bool
	RegexRefresh   int64 // after which regular expressions are matched again
	// Soon is the heartbeat interval told to a member that something is about to
	// come to; 0: always the group's own.
	Soon int32
	// Settings are the settings of a group of this name as they are now.
	Settings func(group string) Settings
}

// Settings are what a group can have of its own, in ms.
type Settings struct {
	SessionTimeout    int32
	HeartbeatInterval int32
	// AssignmentInterval is the least time between two assignments; −1: as long
	// as the size of the group asks for.
	AssignmentInterval int32
}

// Topic is a topic as the metadata image has it.
type Topic struct {
	Name       string
	ID         ids.TopicID
	Partitions int32
}

// Image is the metadata of one point in time. It never changes, and any goroutine
// may read it.
type Image interface {
	Topic(name string) (Topic, bool)
	TopicByID(id ids.TopicID) (Topic, bool)
	// Racks are the racks of a partition's replicas, in their order, without
	// those that have none.
	Racks(topic string, partition int32) []string
	// Names calls f with the name of every topic, until it says no.
	Names(f func(string) bool)
	// Version is the offset of the metadata log that this is the image of.
	Version() int64
}

// Moment is when, and in what world, something is decided.
type Moment struct {
	Now   int64 // ms
	Image Image
}

// Decision is what a call wants done: Records appended, Notes told. When the
// append fails, Failed wants to know.
type Decision struct {
	Records []runtime.Record
	// Split: the records may be appended in several batches. What a part of them
	// would leave behind is in order, and the next heartbeat goes on from it.
	Split bool
	Notes []Note
	// Adopt is the group that has become a classic one with these records.
	Adopt *Adopt
	// Search is to be run beside the shard, and then given to Found.
	Search *Search
	group  *Group
	retry  []*alarm.Alarm[due] // that went off for this
}

// Note is worth a line in the broker's log.
type Note struct {
	Group string
	Epoch int32 // the group epoch after the decision
	Text  string
	Done  *rebalance.Rebalance // a rebalance that ended, nil for others
}

// Refusal is an error with the message that Kafka gives for it, "" for none.
type Refusal struct {
	*kerr.Error
	Message string
}

func refuse(code *kerr.Error, message string) *Refusal { return &Refusal{code, message} }

// Groups is the consumer groups of one shard.
type Groups struct {
	cfg    Config
	byID   map[string]*Group
	alarms alarm.Queue[due]
	sets   map[string]*Set  // of topic names, shared by all who subscribe to the same
	hashes map[string]int64 // of topics, until they change
	news   []newsOf
	drafts map[string]*Group // groups on paper, until their first record is replayed
	// newTopics is the version of the image that topics were last made in: groups
	// with regular expressions that were matched before look again.
	newTopics int64
	// generation of the settings: a group whose own differs asks anew.
	generation uint64
	told       []Note // that arose in a replay
	rebalances uint64
}

// New makes a shard's groups, none yet.
func New(cfg Config) *Groups {
	return &Groups{cfg: cfg, byID: map[string]*Group{}, sets: map[string]*Set{}, hashes: map[string]int64{}, drafts: map[string]*Group{}, newTopics: -1, generation: 1}
}

// Get is the group of this id, or nil.
func (gs *Groups) Get(id string) *Group { return gs.byID[id] }

// Len is the number of groups.
func (gs *Groups) Len() int { return len(gs.byID) }

// IDs are the ids of all groups, in order.
func (gs *Groups) IDs() []string {
	out := make([]string, 0, len(gs.byID))
	for id := range gs.byID {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// Deadline is when Expire has something to do.
func (gs *Groups) Deadline() (int64, bool) { return gs.alarms.Next() }

// Shift moves all deadlines by ms: the clock was set.
func (gs *Groups) Shift(ms int64) { gs.alarms.Shift(ms) }

// SettingsChanged makes all groups ask for their settings anew.
func (gs *Groups) SettingsChanged() { gs.generation++ }

// Rebalances is how many times a group epoch has grown here.
func (gs *Groups) Rebalances() uint64 { return gs.rebalances }

// ensure is the group of this id, which a record makes if it isn't there.
func (gs *Groups) ensure(id string) *Group {
	g := gs.byID[id]
	if g == nil {
		g = gs.fresh(id)
		gs.byID[id] = g
		if d := gs.drafts[id]; d != nil {
			g.story, g.hashedIn = d.story, d.hashedIn
			delete(gs.drafts, id)
		}
	}
	return g
}

// fresh is a group without anything, which is not kept yet.
func (gs *Groups) fresh(id string) *Group {
	return &Group{
		ID: id, home: gs, epoch: firstEpoch, assignmentEpoch: firstEpoch,
		members: map[string]*Member{}, statics: map[string]*Member{}, targets: map[string]target{},
		parts: map[ids.TopicIDPartition]part{}, sets: map[*Set]int{}, names: map[string]int{},
		assignors: map[string]int{}, atOnce: fenceAtOnce,
	}
}

// remove forgets a group and its alarms.
func (gs *Groups) remove(g *Group) {
	for _, m := range g.list {
		gs.cancel(m)
	}
	for s := range g.sets {
		gs.release(s)
	}
	gs.alarms.Cancel(&g.assigning)
	gs.alarms.Cancel(&g.matching)
	delete(gs.byID, g.ID)
}

// Told are the notes that replayed records gave rise to, since the last call.
func (gs *Groups) Told() []Note {
	out := gs.told
	gs.told = nil
	return out
}
