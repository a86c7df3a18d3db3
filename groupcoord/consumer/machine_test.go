package consumer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// town is an Image by hand.
type town struct {
	topics  map[string]Topic
	version int64
}

func (w *town) Topic(name string) (Topic, bool) { t, ok := w.topics[name]; return t, ok }
func (w *town) TopicByID(id ids.TopicID) (Topic, bool) {
	for _, t := range w.topics {
		if t.ID == id {
			return t, true
		}
	}
	return Topic{}, false
}
func (w *town) Racks(string, int32) []string { return nil }
func (w *town) Version() int64               { return w.version }
func (w *town) Names(f func(string) bool) {
	for _, name := range slices.Sorted(maps.Keys(w.topics)) {
		if !f(name) {
			return
		}
	}
}

func testConfig() Config {
	return Config{
		MaxSize: 6, ClassicMaxSize: 100, Assignors: []string{"uniform", "range"}, Upgrade: true, RegexRefresh: 60_000, Soon: 500,
		Settings: func(string) Settings {
			return Settings{SessionTimeout: 45_000, HeartbeatInterval: 5_000, AssignmentInterval: 200}
		},
	}
}

// client is a member as it sees itself.
type client struct {
	id       string
	instance *string
	epoch    int32
	owns     map[ids.TopicIDPartition]bool // was told to have
	reads    map[ids.TopicIDPartition]bool // and what it has not given up yet
	giving   bool                          // there is something to give up, and to tell so
	names    []string
	regex    *string
	tell     bool // what it subscribes to
	away     bool // left for a while
}

// machine is one group under random trouble. Its log is what was appended; an
// append may fail, and then nothing of it is replayed.
type machine struct {
	t       *rapid.T
	gs      *Groups
	at      Moment
	town    *town
	log     []runtime.Record
	clients map[string]*client
	born    int
	fail    bool
	// searches are under way, maybe for a coordinator that is no more.
	searches []*Search
}

// TestGroupUnderRandomTrouble: members join, leave, die, come back, subscribe
// otherwise, and say late what they gave up; topics grow and go; appends fail; the
// coordinator moves and its log is compacted. At every point the state is the
// replay of the log, no two members read a partition, and epochs are in order. In
// quiet times everybody gets to the same epoch and everything is read.
func TestGroupUnderRandomTrouble(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{t: t, gs: New(testConfig()), clients: map[string]*client{}, town: &town{topics: map[string]Topic{}}}
		m.at = Moment{Now: 1_000_000, Image: m.town}
		for i := range 3 {
			m.topic(i, int32(rapid.IntRange(1, 4).Draw(t, "partitions")))
		}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			m.step(rapid.IntRange(0, 99).Draw(t, "op"))
			m.check()
		}
		m.settle()
	})
}

func (m *machine) topic(i int, n int32) {
	name := fmt.Sprintf("t%d", i)
	old := m.town.topics[name]
	id := ids.TopicID{0: byte(i + 1), 15: byte(m.town.version)}
	if old.Partitions > 0 {
		id = old.ID
	}
	m.change(func(w *town) { w.topics[name] = Topic{Name: name, ID: id, Partitions: old.Partitions + n} })
	m.gs.TopicsChanged([]string{name}, old.Partitions == 0, m.at)
}

// change makes the next image: the one before stays what it was.
func (m *machine) change(f func(*town)) {
	m.town = &town{topics: maps.Clone(m.town.topics), version: m.town.version + 1}
	f(m.town)
	m.at.Image = m.town
}

func (m *machine) step(op int) {
	switch {
	case op < 5:
		m.join()
	case op < 7:
		m.leave()
	case op < 9: // one dies, and a static one may come back under another name
		if c := m.pick(); c != nil {
			delete(m.clients, c.id)
		}
	case op < 12:
		if c := m.pick(); c != nil {
			m.resubscribe(c)
		}
	case op < 14:
		m.topic(rapid.IntRange(0, 2).Draw(m.t, "topic"), int32(rapid.IntRange(1, 2).Draw(m.t, "more")))
	case op < 15:
		name := fmt.Sprintf("t%d", rapid.IntRange(0, 2).Draw(m.t, "topic"))
		m.change(func(w *town) { delete(w.topics, name) })
		m.gs.TopicsChanged([]string{name}, false, m.at)
	case op < 17:
		m.move()
	case op < 20:
		m.fail = !m.fail
	case op < 23:
		m.search()
	case op < 28:
		m.pass(int64(rapid.IntRange(1, 5_000).Draw(m.t, "ms")))
	default:
		if c := m.pick(); c != nil {
			m.beat(c)
		}
	}
	m.expire()
}

func (m *machine) pick() *client {
	names := slices.Sorted(maps.Keys(m.clients))
	if len(names) == 0 {
		return nil
	}
	return m.clients[names[rapid.IntRange(0, len(names)-1).Draw(m.t, "client")]]
}

func (m *machine) join() {
	m.born++
	c := &client{id: fmt.Sprint("m", m.born)}
	if rapid.IntRange(0, 2).Draw(m.t, "static") == 0 {
		i := fmt.Sprint("i", rapid.IntRange(0, 2).Draw(m.t, "instance"))
		c.instance = &i
		for _, o := range m.clients {
			if o.instance != nil && *o.instance == i && !o.away {
				return
			}
		}
	}
	m.draw(c)
	m.clients[c.id] = c
	m.beat(c)
}

// draw is what a client subscribes to.
func (m *machine) draw(c *client) {
	c.names, c.regex, c.tell = []string{}, new(""), true
	for i := range 5 { // not all exist
		if rapid.Bool().Draw(m.t, "topic") {
			c.names = append(c.names, fmt.Sprintf("t%d", i))
		}
	}
	if rapid.IntRange(0, 3).Draw(m.t, "regex") == 0 {
		c.regex = new([]string{"t[01]", "t.*", "nothing"}[rapid.IntRange(0, 2).Draw(m.t, "which")])
	}
}

func (m *machine) resubscribe(c *client) {
	m.draw(c)
	m.beat(c)
}

func (m *machine) leave() {
	c := m.pick()
	if c == nil {
		return
	}
	epoch := int32(epochLeave)
	if c.instance != nil && rapid.Bool().Draw(m.t, "back soon") {
		epoch = epochLeaveStatic
	}
	delete(m.clients, c.id) // whatever the answer: it reads no more
	m.ask(c, epoch)
}

// ask sends a heartbeat and applies what is decided.
func (m *machine) ask(c *client, epoch int32) (Reply, *Refusal) {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch, r.InstanceID, r.RebalanceTimeoutMillis = 1, "g", c.id, epoch, c.instance, -1
	if epoch == 0 || c.tell {
		r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.SubscribedTopicRegex = 20_000, c.names, c.regex
	}
	if epoch == 0 || c.tell || c.giving && len(c.reads) == len(c.owns) {
		r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for tp := range c.reads {
			r.Topics = append(r.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: tp.Topic, Partitions: []int32{tp.Partition}})
		}
	}
	if bad := m.gs.cfg.Check(r); bad != nil {
		m.t.Fatalf("request is refused: %s", bad.Message)
	}
	g := m.gs.Get("g")
	if g == nil {
		if epoch != 0 {
			return Reply{}, refuse(kerr.GroupIDNotFound, "")
		}
		g = m.gs.Create("g")
	}
	reply, d, bad := m.gs.Heartbeat(g, &Beat{Req: r, ClientID: "c", Host: "h"}, nil, m.at)
	if bad != nil {
		return reply, bad
	}
	if !m.append(d) {
		return reply, refuse(kerr.CoordinatorNotAvailable, "")
	}
	return reply, nil
}

// beat is a client's next heartbeat: it does what it is told, but gives partitions
// up only when it likes.
func (m *machine) beat(c *client) {
	if c.giving && rapid.IntRange(0, 3).Draw(m.t, "give up") == 0 {
		c.reads = maps.Clone(c.owns)
	}
	m.after(c, m.ask)
}

// after sends the heartbeat and does what the answer says.
func (m *machine) after(c *client, ask func(*client, int32) (Reply, *Refusal)) {
	gave := c.giving && len(c.reads) == len(c.owns)
	reply, bad := ask(c, c.epoch)
	if bad != nil {
		switch bad.Error {
		case kerr.FencedMemberEpoch, kerr.UnknownMemberID, kerr.GroupIDNotFound:
			c.epoch, c.owns, c.reads, c.giving = 0, nil, nil, false
		case kerr.UnreleasedInstanceID, kerr.FencedInstanceID, kerr.GroupMaxSizeReached:
			delete(m.clients, c.id)
		}
		return
	}
	c.tell, c.epoch = false, reply.Epoch
	if gave {
		c.giving = false
	}
	if !reply.Assignment {
		return
	}
	c.owns = map[ids.TopicIDPartition]bool{}
	reply.Assigned.each(func(tp ids.TopicIDPartition) { c.owns[tp] = true })
	had := c.reads
	c.reads = maps.Clone(c.owns)
	for tp := range had {
		c.reads[tp] = true
	}
	c.giving = len(c.reads) > len(c.owns)
}

// search ends one of the searches that are under way.
func (m *machine) search() {
	if len(m.searches) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.searches)-1).Draw(m.t, "search")
	x := m.searches[i]
	m.searches = slices.Delete(m.searches, i, i+1)
	if !x.Run(func() bool { return false }) {
		m.t.Fatal("a search that nobody stopped has not ended")
	}
	m.append(m.gs.Found(x, m.at))
}

// append writes a decision, unless appends fail now. Of one that may be split a
// part may get there.
func (m *machine) append(d Decision) bool {
	if d.Search != nil {
		m.searches = append(m.searches, d.Search)
	}
	if len(d.Records) == 0 {
		return true
	}
	ok := !m.fail
	n := len(d.Records)
	if !ok && d.Split {
		n = rapid.IntRange(0, n-1).Draw(m.t, "part")
	} else if !ok {
		n = 0
	}
	for _, r := range d.Records[:n] {
		m.log = append(m.log, r)
		replay(m.t, m.gs, r, false, m.at.Now)
	}
	if !ok {
		m.gs.Failed(d, m.at.Now)
	}
	m.gs.TakeNews(func(string, string) {})
	m.gs.Told()
	return ok
}

func replay(t interface{ Fatal(...any) }, gs *Groups, r runtime.Record, loading bool, now int64) {
	key, err := records.ParseKey(r.Key)
	if err != nil {
		t.Fatal(err)
	}
	value, _, err := records.ParseValue(key, r.Value)
	if err != nil {
		t.Fatal(err)
	}
	gs.Replay(key, value, loading, now)
}

func (m *machine) pass(ms int64) {
	for end := m.at.Now + ms; m.at.Now < end; {
		next, ok := m.gs.Deadline()
		m.at.Now = end
		if ok && next < end {
			m.at.Now = max(next, m.at.Now-ms)
		}
		m.expire()
		for len(m.searches) > 0 {
			m.search()
			m.expire()
		}
	}
}

func (m *machine) expire() {
	for range 50 {
		if at, ok := m.gs.Deadline(); !ok || at > m.at.Now {
			return
		}
		m.append(m.gs.Expire(m.at))
	}
	m.t.Fatal("the group finds no rest")
}

// move makes another coordinator of the log, which may be compacted.
func (m *machine) move() {
	if rapid.Bool().Draw(m.t, "compact") {
		last := map[string]int{}
		for i, r := range m.log {
			last[string(r.Key)] = i
		}
		var kept []runtime.Record
		drop := rapid.Bool().Draw(m.t, "drop tombstones")
		for i, r := range m.log {
			if last[string(r.Key)] == i && (r.Value != nil || !drop) {
				kept = append(kept, r)
			}
		}
		m.log = kept
	}
	if rapid.Bool().Draw(m.t, "topics") { // nobody coordinates meanwhile
		m.topic(rapid.IntRange(0, 4).Draw(m.t, "topic"), 1)
	}
	m.gs = m.loaded()
	m.gs.Loaded(m.at)
}

func (m *machine) loaded() *Groups {
	gs := New(testConfig())
	for _, r := range m.log {
		replay(m.t, gs, r, true, 0)
	}
	return gs
}

// check compares the state with the replay of the log, and looks at what must
// never be.
func (m *machine) check() {
	if got, want := picture(m.gs), picture(m.loaded()); got != want {
		m.t.Fatalf("the state\n%s\nis not the replay of the log\n%s", got, want)
	}
	reads := map[ids.TopicIDPartition]string{}
	for _, id := range slices.Sorted(maps.Keys(m.clients)) {
		c := m.clients[id]
		for tp := range c.reads {
			if other, taken := reads[tp]; taken && m.lives(c) && m.lives(m.clients[other]) {
				m.t.Fatalf("%v is read by %s and %s", tp, other, id)
			}
			if m.lives(c) {
				reads[tp] = id
			}
		}
	}
	g := m.gs.Get("g")
	if g == nil {
		return
	}
	n := 0
	for _, x := range g.list {
		if x.Epoch > g.assignmentEpoch || g.assignmentEpoch > g.epoch {
			m.t.Fatalf("epochs %d of %s, %d, %d", x.Epoch, x.ID, g.assignmentEpoch, g.epoch)
		}
		if x.reconciledTo(g.assignmentEpoch) {
			n++
		}
		for _, o := range []Ownership{x.Assigned, x.Revoking} {
			o.each(func(tp ids.TopicIDPartition) {
				if g.parts[tp].owner != x {
					m.t.Fatalf("%v of %s belongs to another", tp, x.ID)
				}
			})
		}
	}
	if n != g.reconciled {
		m.t.Fatalf("%d are reconciled, counted %d", n, g.reconciled)
	}
}

// lives tells whether the coordinator takes the client for a member in the epoch
// that the client is in: one that was fenced reads on until it hears of it.
func (m *machine) lives(c *client) bool {
	g := m.gs.Get("g")
	if g == nil || c == nil {
		return false
	}
	x := g.members[c.id]
	return x != nil && (x.Epoch == c.epoch || x.Previous == c.epoch)
}

// picture is everything that is the replay of the log.
func picture(gs *Groups) string {
	var out strings.Builder
	for _, id := range gs.IDs() {
		g := gs.byID[id]
		fmt.Fprintf(&out, "%s epoch=%d/%d hash=%x at=%d legacy=%v names=%v regexes=%v assignors=%v classic=%d reconciled=%d\n", id, g.epoch, g.assignmentEpoch, uint64(g.hash), g.assignedAt, g.legacy,
			g.names, g.regexes, g.assignors, g.classic, g.reconciled)
		for _, x := range g.list {
			fmt.Fprintf(&out, "  %s %s %v %q %d e=%d p=%d %d has=%v gives=%v target=%v\n", x.ID, deref(x.Instance), x.Topics.names, x.regex(), x.RebalanceTimeout,
				x.Epoch, x.Previous, x.State, x.Assigned, x.Revoking, g.targets[x.ID].assignment)
		}
		for _, i := range sortedKeys(g.statics) {
			fmt.Fprintf(&out, "  instance %s is %s\n", i, g.statics[i].ID)
		}
		for _, re := range g.patterns() {
			fmt.Fprintf(&out, "  regex %s is %v %d %d\n", re, g.resolved[re].topics.names, g.resolved[re].version, g.resolved[re].at)
		}
	}
	return out.String()
}

func deref(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// settle lets the group come to rest and looks whether it is whole; and again
// after one more thing has happened.
func (m *machine) settle() {
	m.fail = false
	m.pass(5_000)
	if g := m.gs.Get("g"); g != nil && len(g.list) > 0 && g.epoch != g.assignmentEpoch {
		m.t.Fatalf("nobody assigns:\n%s", picture(m.gs))
	}
	m.stubborn()
	m.rest(40)
	switch rapid.IntRange(0, 2).Draw(m.t, "last") {
	case 0:
		m.topic(rapid.IntRange(0, 4).Draw(m.t, "topic"), 1)
	case 1:
		m.move()
	}
	m.pass(11_000) // regular expressions wait that long
	m.rest(10)
}

// rest is rounds of heartbeats of members that give up what they shall.
func (m *machine) rest(rounds int) {
	for range rounds {
		m.round(func(c *client) { c.reads = maps.Clone(c.owns) })
	}
	if len(m.clients) == 0 {
		return
	}
	g := m.gs.Get("g")
	if g.State() != Stable {
		m.t.Fatalf("not at rest:\n%s", picture(m.gs))
	}
	m.whole(g)
}

// round is a heartbeat of everybody.
func (m *machine) round(before func(*client)) {
	for _, id := range slices.Sorted(maps.Keys(m.clients)) {
		if c := m.clients[id]; c != nil {
			before(c)
			m.after(c, m.ask)
		}
	}
	m.pass(2_000)
	m.check()
}

// stubborn members give nothing up, and are not waited for.
func (m *machine) stubborn() {
	since := map[*Member]int32{}
	if g := m.gs.Get("g"); g != nil {
		for _, x := range g.list {
			if x.State == MemberUnrevoked && x.Epoch > 0 {
				since[x] = x.Epoch
			}
		}
	}
	for range 14 {
		m.round(func(*client) {})
	}
	g := m.gs.Get("g")
	for x, epoch := range since {
		if g.members[x.ID] == x && x.State == MemberUnrevoked && x.Epoch == epoch {
			m.t.Fatalf("%s was waited for longer than it may take:\n%s", x.ID, picture(m.gs))
		}
	}
}

// whole: everything that somebody subscribes to is read by one who does.
func (m *machine) whole(g *Group) {
	reads := map[ids.TopicIDPartition]string{}
	for id, c := range m.clients {
		for tp := range c.owns {
			reads[tp] = id
		}
		if x := g.members[id]; x == nil || x.Epoch != c.epoch || len(c.owns) != x.Assigned.count() {
			m.t.Fatalf("%s takes itself for another: %+v\n%s", id, c, picture(m.gs))
		}
	}
	for _, x := range g.list {
		if m.clients[x.ID] == nil {
			m.t.Fatalf("%s is dead and still a member", x.ID)
		}
		for name, t := range m.town.topics {
			matched, _ := matches(x.regex(), m.town, func() bool { return false })
			if !x.Topics.has(name) && !slices.Contains(matched, name) {
				continue
			}
			for p := range t.Partitions {
				if reads[ids.TopicIDPartition{Topic: t.ID, Partition: p}] == "" {
					m.t.Fatalf("nobody reads %s-%d\n%s", name, p, picture(m.gs))
				}
			}
		}
	}
}
