package image

import (
	"slices"
	"sort"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// maxGap bounds how far ahead of its predecessors a partition's record may come
// in a snapshot. Kafka writes partitions in the order of a hash map, which for
// small integers is nearly ascending.
const maxGap = 1 << 12

// topicsEdit collects changes to topics.
type topicsEdit struct {
	base     *Topics
	snapshot bool
	byID     map[ids.TopicID]*topicEdit
	byName   map[string]*topicEdit // the living ones of byID
	deleted  map[ids.TopicID]*Topic
	memory   *memory // of the partitions; nil but for snapshots that a Loader reads
}

// topicEdit is one topic being changed. next starts as old's slice and is
// copied before the first write, so that a delta costs what it changes.
type topicEdit struct {
	old  *Topic // nil: created here
	name string
	id   ids.TopicID
	next []*Partition
	// owned: next is no longer old's slice.
	owned   bool
	holes   int     // nil entries of next; only within a snapshot
	changed []int32 // indexes whose entry is new here, each once
}

func newTopicsEdit(base *Topics, snapshot bool) *topicsEdit {
	return &topicsEdit{base: base, snapshot: snapshot}
}

func (t *topicsEdit) add(e *topicEdit) *topicEdit {
	if t.byID == nil {
		t.byID, t.byName = map[ids.TopicID]*topicEdit{}, map[string]*topicEdit{}
	}
	t.byID[e.id] = e
	t.byName[e.name] = e
	return e
}

// find opens a topic for change; nil when there is none of that id.
func (t *topicsEdit) find(id ids.TopicID) *topicEdit {
	if e := t.byID[id]; e != nil {
		return e
	}
	if t.snapshot || t.deleted[id] != nil {
		return nil
	}
	old := t.base.ByID(id)
	if old == nil {
		return nil
	}
	return t.add(&topicEdit{old: old, name: old.Name, id: id, next: old.Partitions})
}

// nameTaken tells whether a living topic has that name.
func (t *topicsEdit) nameTaken(name string) bool {
	if t.byName[name] != nil {
		return true
	}
	if t.snapshot {
		return false
	}
	old := t.base.ByName(name)
	return old != nil && t.deleted[old.ID] == nil
}

func (t *topicsEdit) create(r *records.TopicRecord) error {
	id := r.TopicID
	if t.find(id) != nil || t.deleted[id] != nil {
		return refuse("topic id %v of %q exists or existed", id, r.Name)
	}
	if t.nameTaken(r.Name) {
		return refuse("topic %q exists", r.Name)
	}
	e := &topicEdit{name: r.Name, id: id, owned: true}
	if t.snapshot {
		e.old = t.base.ByID(id)
	}
	t.add(e)
	return nil
}

func (t *topicsEdit) partition(r *records.PartitionRecord) error {
	e := t.find(r.TopicID)
	if e == nil {
		return refuse("partition %d of the unknown topic %v", r.PartitionID, r.TopicID)
	}
	i, n := int(r.PartitionID), len(e.next)
	gap := 0
	if t.snapshot {
		gap = maxGap
	}
	if i < 0 || i > n+gap {
		return refuse("partition %d of %s follows %d partitions", i, e.name, n)
	}
	if len(r.Directories) > 0 && len(r.Directories) != len(r.Replicas) {
		return refuse("partition %s-%d has %d replicas in %d directories", e.name, i, len(r.Replicas), len(r.Directories))
	}
	e.own()
	for len(e.next) <= i {
		e.next = append(e.next, nil)
		e.holes++
	}
	var like *Partition
	if i > 0 {
		like = e.next[i-1]
	}
	e.put(i, partitionOf(r, like, t.memory))
	return nil
}

// own makes next safe to write to.
func (e *topicEdit) own() {
	if !e.owned {
		e.next, e.owned = slices.Clone(e.next), true
	}
}

// put sets partition i, which next has room for.
func (e *topicEdit) put(i int, p *Partition) {
	if e.next[i] == nil {
		e.holes--
	}
	if e.next[i] == nil || e.next[i] == e.before(i) {
		e.changed = append(e.changed, int32(i))
	}
	e.next[i] = p
}

// before is partition i of the base, nil when there was none.
func (e *topicEdit) before(i int) *Partition {
	if e.old == nil {
		return nil
	}
	return e.old.Partition(int32(i))
}

func (t *topicsEdit) change(r *records.PartitionChangeRecord) error {
	e := t.find(r.TopicID)
	if e == nil {
		return refuse("change of partition %d of the unknown topic %v", r.PartitionID, r.TopicID)
	}
	i := int(r.PartitionID)
	if i < 0 || i >= len(e.next) || e.next[i] == nil {
		return refuse("change of the unknown partition %s-%d", e.name, i)
	}
	p, err := e.next[i].Changed(r)
	if err != nil {
		return refuse("%s-%d: %v", e.name, i, err)
	}
	e.own()
	e.put(i, p)
	return nil
}

func (t *topicsEdit) remove(id ids.TopicID) (name string, err error) {
	e := t.find(id)
	if e == nil {
		return "", refuse("removal of the unknown topic %v", id)
	}
	delete(t.byID, id)
	delete(t.byName, e.name)
	if e.old != nil {
		if t.deleted == nil {
			t.deleted = map[ids.TopicID]*Topic{}
		}
		t.deleted[id] = e.old
	}
	return e.name, nil
}

func (d *Delta) removeTopic(r *records.RemoveTopicRecord) error {
	name, err := d.topicsEdit.remove(r.TopicID)
	if err == nil {
		d.values.remove(Resource{TopicResource, name}.key())
	}
	return err
}

// clearELR empties the eligible leaders of a topic, or of all when name is empty.
func (t *topicsEdit) clearELR(name string) error {
	if name == "" {
		var all []ids.TopicID
		t.base.Each(func(topic *Topic) bool { all = append(all, topic.ID); return true })
		for id := range t.byID {
			if t.byID[id].old == nil {
				all = append(all, id)
			}
		}
		for _, id := range all {
			t.clearTopicELR(id)
		}
		return nil
	}
	if e := t.byName[name]; e != nil {
		t.clearTopicELR(e.id)
		return nil
	}
	topic := t.base.ByName(name)
	if topic == nil || t.deleted[topic.ID] != nil || t.snapshot {
		return refuse("eligible leaders of the unknown topic %q", name)
	}
	t.clearTopicELR(topic.ID)
	return nil
}

func (t *topicsEdit) clearTopicELR(id ids.TopicID) {
	parts := t.partitionsOf(id)
	for i, p := range parts {
		if p == nil || len(p.ELR)+len(p.LastKnownELR) == 0 {
			continue
		}
		q := *p
		q.ELR, q.LastKnownELR = nil, nil
		q.PartitionEpoch++
		e := t.find(id)
		e.own()
		e.put(i, &q)
	}
}

// partitionsOf looks at a topic without opening it for change.
func (t *topicsEdit) partitionsOf(id ids.TopicID) []*Partition {
	if e := t.byID[id]; e != nil {
		return e.next
	}
	if old := t.base.ByID(id); old != nil && t.deleted[id] == nil && !t.snapshot {
		return old.Partitions
	}
	return nil
}

func (t *topicsEdit) finishSnapshot() error {
	t.base.Each(func(topic *Topic) bool {
		if t.byID[topic.ID] == nil {
			if t.deleted == nil {
				t.deleted = map[ids.TopicID]*Topic{}
			}
			t.deleted[topic.ID] = topic
		}
		return true
	})
	for _, e := range t.byID {
		if e.holes > 0 {
			return refuse("topic %s lacks %d of %d partitions", e.name, e.holes, len(e.next))
		}
		e.keepUnchanged()
	}
	return nil
}

// keepUnchanged puts the base's partitions back where the snapshot only repeats them.
func (e *topicEdit) keepUnchanged() {
	changed := e.changed[:0]
	slices.Sort(e.changed)
	for _, i := range e.changed {
		if old := e.before(int(i)); old != nil && old.equal(e.next[i]) {
			e.next[i] = old
			continue
		}
		changed = append(changed, i)
	}
	e.changed = changed
}

// apply returns the next topics and what changed, both as they were when nothing did.
func (t *topicsEdit) apply() (*Topics, *TopicsDelta) {
	delta := &TopicsDelta{}
	for _, topic := range t.deleted {
		delta.Deleted = append(delta.Deleted, topic)
	}
	for _, e := range t.byID {
		if c, ok := e.result(); ok {
			delta.Changed = append(delta.Changed, c)
		}
	}
	if len(delta.Deleted)+len(delta.Changed) == 0 {
		return t.base, nil
	}
	sort.Slice(delta.Deleted, func(i, j int) bool { return delta.Deleted[i].Name < delta.Deleted[j].Name })
	sort.Slice(delta.Changed, func(i, j int) bool { return delta.Changed[i].New.Name < delta.Changed[j].New.Name })
	next := t.base.copy()
	for _, topic := range delta.Deleted {
		next.remove(topic)
	}
	for _, c := range delta.Changed {
		next.set(c.New)
	}
	return next, delta
}

func (e *topicEdit) result() (TopicChange, bool) {
	if e.old != nil && len(e.changed) == 0 && len(e.next) == len(e.old.Partitions) {
		return TopicChange{}, false
	}
	c := TopicChange{Old: e.old, New: &Topic{Name: e.name, ID: e.id, Partitions: slices.Clip(e.next)}}
	slices.Sort(e.changed)
	for _, i := range e.changed {
		c.Partitions = append(c.Partitions, PartitionChange{i, e.before(int(i)), e.next[i]})
	}
	return c, true
}
