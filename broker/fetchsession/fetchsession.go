// Package fetchsession remembers what a client fetches, so that a fetch request
// names only what changed and a reply only what is new (KIP-227).
//
//	epoch 0            full fetch; the reply may open a session
//	epoch n of session incremental: the session's partitions, changed as the request says
//	epoch -1           full fetch, no session; one that is named is closed
//
// The flow of one fetch: Cache.Open gives a Fetch, which lists the partitions
// to read in order; after the read, Fetch.Reply tells which of them belong into
// the reply, and updates the session.
//
// Invariants:
//   - A session holds names or topic ids, never both: it was opened by a
//     request below or from version 13 on.
//   - A session moves to the next epoch when a request of its epoch arrives; a
//     reply that finds another epoch lost a race against a repeated request.
//   - The cache holds at most its slots. A new session takes the slot of one
//     unused for staleAfter, or of one smaller than it that is older than that
//     (followers' sessions only yield to followers).
//   - All sessions together name at most maxPartitions. Who wants more than is
//     left fetches without a session: nobody can fill the memory with names.
package fetchsession

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Errors of Open and Reply.
var (
	ErrNotFound = errors.New("fetch session id not found")
	ErrEpoch    = errors.New("invalid fetch session epoch")
	ErrTopicID  = errors.New("fetch session and request disagree about topic ids")
)

// Epochs with a meaning of their own.
const (
	initialEpoch int32 = 0
	finalEpoch   int32 = -1
)

// staleAfter is how long a session must be unused before any other may take its
// slot, in ms.
const staleAfter = 120_000

// maxPartitions is enough for a thousand clients of a thousand partitions, and
// some 200 MiB.
const maxPartitions = 1 << 20

// Key names a partition in a session: by id, or by name when the id is zero.
type Key struct {
	ID        ids.TopicID
	Name      string
	Partition int32
}

// Partition is one partition of a fetch: what the client asked, and what it
// was last told.
type Partition struct {
	Key
	Offset           ids.Offset
	MaxBytes         int32
	CurrentEpoch     ids.LeaderEpoch
	LastFetchedEpoch ids.LeaderEpoch
	LogStart         ids.Offset // of a follower
	// Topic is the name of a topic that is named by id, once its reader has found it.
	Topic string

	sentHighWatermark, sentLogStart ids.Offset
}

// Result is what the read of a partition found.
type Result struct {
	HighWatermark, LogStart ids.Offset
	Topic                   string // its name, if known
	Bytes                   int    // of records
	Error                   bool   // any error code
	Notable                 bool   // a diverging epoch or a preferred replica: always sent
}

// session is one slot. Its lock is taken after the cache's.
type session struct {
	id         int32
	usesIDs    bool
	privileged bool // a follower's
	created    int64
	lastUsed   int64
	epoch      int32 // that the next request must have
	order      []*Partition
	byKey      map[Key]*Partition
}

// Cache is all sessions of a broker.
type Cache struct {
	slots int
	clock func() int64

	mu       sync.Mutex // guards everything, sessions included: their work is short
	sessions map[int32]*session
	// partitions is how many the sessions name together, at most room.
	partitions, room int
	evicted          int64
}

// New makes a cache of max.incremental.fetch.session.cache.slots slots; clock
// is ms since 1970.
func New(slots int, clock func() int64) *Cache {
	return &Cache{slots: slots, clock: clock, sessions: map[int32]*session{}, room: maxPartitions}
}

// Request is what a fetch request says about sessions.
type Request struct {
	ID, Epoch  int32
	UsesIDs    bool // version 13 and above
	Privileged bool // from a follower
	Partitions []Partition
	Forgotten  []Key
}

// Fetch is one fetch under way.
type Fetch struct {
	cache *Cache
	req   *Request
	s     *session // nil: a full fetch
	epoch int32    // of s once the request was taken in
	full  bool     // the reply may open a session
	// live[i] is the session's own Partitions[i]; valid while the session is in epoch.
	live []*Partition
	// Partitions to read, in the order in which bytes are given out: those that
	// got records last come last, so that none starves.
	Partitions []Partition
}

// nextEpoch skips the special epochs when it wraps.
func nextEpoch(e int32) int32 {
	if e < 0 {
		return finalEpoch
	}
	if e == math.MaxInt32 {
		return 1
	}
	return e + 1
}

// Open takes in a request.
func (c *Cache) Open(r *Request) (*Fetch, error) {
	if r.Epoch == initialEpoch || r.Epoch == finalEpoch {
		return c.openFull(r), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[r.ID]
	switch {
	case s == nil:
		return nil, ErrNotFound
	case s.epoch != r.Epoch:
		return nil, ErrEpoch
	case s.usesIDs != r.UsesIDs:
		return nil, ErrTopicID
	}
	was := len(s.order)
	s.update(r)
	c.partitions += len(s.order) - was
	switch {
	case len(s.order) == 0:
		c.remove(s)
		return &Fetch{cache: c, req: r, Partitions: dedupe(r.Partitions)}, nil
	case c.partitions > c.room:
		c.remove(s)
		return nil, ErrNotFound // the client names all again, and gets no session
	}
	s.lastUsed = c.clock()
	s.epoch = nextEpoch(s.epoch)
	f := &Fetch{cache: c, req: r, s: s, epoch: s.epoch, live: slices.Clone(s.order), Partitions: make([]Partition, len(s.order))}
	for i, p := range s.order {
		f.Partitions[i] = *p
	}
	return f, nil
}

// openFull closes a session that the request names.
func (c *Cache) openFull(r *Request) *Fetch {
	if r.ID != 0 {
		c.mu.Lock()
		if s := c.sessions[r.ID]; s != nil {
			c.remove(s)
		}
		c.mu.Unlock()
	}
	return &Fetch{cache: c, req: r, full: r.Epoch == initialEpoch, Partitions: dedupe(r.Partitions)}
}

// dedupe keeps the last mention of each partition, at the place of the first.
func dedupe(in []Partition) []Partition {
	if len(in) < 2 {
		return in
	}
	at := make(map[Key]int, len(in))
	out := in[:0]
	for _, p := range in {
		if i, ok := at[p.Key]; ok {
			out[i] = p
			continue
		}
		at[p.Key] = len(out)
		out = append(out, p)
	}
	return out
}

// update applies an incremental request.
func (s *session) update(r *Request) {
	for i := range r.Partitions {
		p := r.Partitions[i]
		if old := s.byKey[p.Key]; old != nil {
			p.sentHighWatermark, p.sentLogStart, p.Topic = old.sentHighWatermark, old.sentLogStart, old.Topic
			*old = p
			continue
		}
		p.sentHighWatermark, p.sentLogStart = ids.NoOffset, ids.NoOffset
		s.byKey[p.Key] = &p
		s.order = append(s.order, &p)
	}
	gone := false
	for _, k := range r.Forgotten {
		if s.byKey[k] != nil {
			delete(s.byKey, k)
			gone = true
		}
	}
	if gone {
		s.order = compact(s.order, func(p *Partition) bool { return s.byKey[p.Key] == p })
	}
}

func compact(list []*Partition, keep func(*Partition) bool) []*Partition {
	out := list[:0]
	for _, p := range list {
		if keep(p) {
			out = append(out, p)
		}
	}
	clear(list[len(out):])
	return out
}

// Reply ends a fetch: results[i] belongs to f.Partitions[i]. It returns the
// session id to send and tells by include which partitions to send.
func (f *Fetch) Reply(results []Result, include []bool) (id int32, err error) {
	c := f.cache
	switch {
	case f.s != nil:
		c.mu.Lock()
		defer c.mu.Unlock()
		return f.s.id, f.replyIncremental(results, include)
	case f.full:
		c.mu.Lock()
		defer c.mu.Unlock()
		id = c.create(f, results)
	}
	for i := range include {
		include[i] = true
	}
	return id, nil
}

func (f *Fetch) replyIncremental(results []Result, include []bool) error {
	s := f.s
	if s.epoch != f.epoch {
		return ErrEpoch // a repeated request of the same epoch went through meanwhile
	}
	served := false
	for i := range results {
		r := &results[i]
		p := f.live[i]
		p.Topic = r.Topic
		if include[i] = p.news(r); !include[i] {
			continue
		}
		p.sentHighWatermark, p.sentLogStart = r.HighWatermark, r.LogStart
		if r.Error {
			p.sentHighWatermark = ids.NoOffset // sent again when the error is over
		}
		served = served || r.Bytes > 0
	}
	if served {
		s.rotate(f, results, include)
	}
	return nil
}

// news tells whether the client has to hear about the result.
func (p *Partition) news(r *Result) bool {
	return r.Bytes > 0 || r.Error || r.Notable || r.HighWatermark != p.sentHighWatermark || r.LogStart != p.sentLogStart
}

// rotate moves the partitions that got records to the end, in their order.
func (s *session) rotate(f *Fetch, results []Result, include []bool) {
	if len(s.order) < 2 {
		return
	}
	served := make(map[*Partition]bool)
	var last []*Partition
	for i := range results {
		if include[i] && results[i].Bytes > 0 {
			served[f.live[i]] = true
			last = append(last, f.live[i])
		}
	}
	s.order = append(compact(s.order, func(p *Partition) bool { return !served[p] }), last...)
}

// create opens a session for a full fetch, or returns 0 when no slot is free.
func (c *Cache) create(f *Fetch, results []Result) int32 {
	if !c.makeRoom(f.req.Privileged, len(f.Partitions)) {
		return 0
	}
	now := c.clock()
	s := &session{
		id: c.newID(), usesIDs: f.req.UsesIDs, privileged: f.req.Privileged, created: now, lastUsed: now,
		epoch: nextEpoch(initialEpoch), byKey: make(map[Key]*Partition, len(f.Partitions)),
	}
	for i := range f.Partitions {
		p := f.Partitions[i]
		p.sentHighWatermark, p.sentLogStart, p.Topic = results[i].HighWatermark, results[i].LogStart, results[i].Topic
		s.byKey[p.Key] = &p
		s.order = append(s.order, &p)
	}
	c.sessions[s.id] = s
	c.partitions += len(s.order)
	return s.id
}

func (c *Cache) remove(s *session) {
	delete(c.sessions, s.id)
	c.partitions -= len(s.order)
}

// newID draws a positive id: a client must not guess another's.
func (c *Cache) newID() int32 {
	for {
		if id := rand.Int32N(math.MaxInt32-1) + 1; c.sessions[id] == nil {
			return id
		}
	}
}

// makeRoom frees what a session of size partitions needs, if it may be taken.
func (c *Cache) makeRoom(privileged bool, size int) bool {
	for size > c.room-c.partitions {
		s := c.stale()
		if s == nil {
			return false
		}
		c.evict(s)
	}
	if len(c.sessions) < c.slots {
		return true
	}
	victim := c.stale()
	if victim == nil {
		victim = c.least(privileged)
		if victim == nil || !victim.lessThan(privileged, size, 0) {
			return false
		}
	}
	c.evict(victim)
	return true
}

func (c *Cache) evict(s *session) {
	c.remove(s)
	c.evicted++
}

// stale is the session that was unused for longest, if that is long enough. It
// looks at all of them, as least does: that happens only when a full cache meets
// a client that opens a new one.
func (c *Cache) stale() *session {
	var stale *session
	for _, s := range c.sessions {
		if stale == nil || s.lastUsed < stale.lastUsed || s.lastUsed == stale.lastUsed && s.id < stale.id {
			stale = s
		}
	}
	if stale == nil || c.clock()-stale.lastUsed <= staleAfter {
		return nil
	}
	return stale
}

// least is the least worth of the sessions that yield to a new one.
func (c *Cache) least(privileged bool) *session {
	now := c.clock()
	var least *session
	for _, s := range c.sessions {
		if s.yieldsTo(privileged, now) && (least == nil || s.lessThan(least.privileged, len(least.order), least.id)) {
			least = s
		}
	}
	return least
}

// yieldsTo: consumers' sessions yield to followers at once, and any session to
// its like once it is old.
func (s *session) yieldsTo(privileged bool, now int64) bool {
	old := now-s.created > staleAfter
	if privileged {
		return !s.privileged || old
	}
	return !s.privileged && old
}

// lessThan orders sessions by worth: consumers before followers, then by size.
func (s *session) lessThan(privileged bool, size int, id int32) bool {
	if s.privileged != privileged {
		return privileged
	}
	if len(s.order) != size {
		return len(s.order) < size
	}
	return s.id < id
}

// Len is the number of sessions and of the partitions in them.
func (c *Cache) Len() (sessions, partitions int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sessions), c.partitions
}
