package api

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/broker/fetchsession"
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/broker/wait"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Fetch (v4–v18)
//
// Behaviour:
//   - The reply comes when MinBytes can be read, when a partition has an error,
//     or after MaxWait. It also comes early, with what there is, when another
//     request waits behind this one on its connection.
//   - The first batch of the first partition that has any is sent whole,
//     whatever the limits (KIP-74).
//   - Records go from the file to the socket; the reply is a head and regions.
//   - A follower's fetch is refused: partitions have one replica here.
//
// Versions: 4 isolation, 5 log start offset, 7 sessions (KIP-227), 9 leader
// epoch (KIP-320), 10 zstd, 11 rack and preferred replica (KIP-392), 12 flexible
// and diverging epoch (KIP-595), 13 topic ids (KIP-516), 15 replica state
// (KIP-903), 16 node endpoints (KIP-951), 17 directory ids (KIP-853), 18 the
// follower's high watermark (KIP-1166).

// FetchConfig is the broker's part in a fetch.
type FetchConfig struct {
	MaxBytes int32 // fetch.max.bytes; 0 = its default
}

type fetch struct {
	replicas *replica.Manager
	sessions *fetchsession.Cache
	leaders  leaderHints
	config   FetchConfig
}

func newFetch(p Parts) Handle {
	if p.Replicas == nil || p.Sessions == nil {
		return nil
	}
	h := &fetch{p.Replicas, p.Sessions, leaderHints{p.Replicas}, p.Fetch}
	if h.config.MaxBytes == 0 {
		h.config.MaxBytes = 55 << 20
	}
	return Typed(h.handle)
}

// fetching is one Fetch request on its way. It is looked at by one goroutine at
// a time: the reader's, then those of its waiters, one after another.
type fetching struct {
	h       *fetch
	c       *conn.Call
	req     *kmsg.FetchRequest
	version int16
	session *fetchsession.Fetch
	reads   []read // reads[i] belongs to session.Partitions[i]
	max     int    // bytes of records in the reply; negative fails every partition
	min     int    // bytes to wait for

	deadline time.Time
	// last is set when the next look must be the last one: time is over, or
	// somebody waits behind this request.
	last   atomic.Bool
	waiter atomic.Pointer[wait.Waiter] // nil until first parked
}

// read is what became of one partition.
type read struct {
	part *replica.Partition
	res  replica.ReadResult
	code int16
	// known: metadata has had the partition since the request came. That it has
	// it no more is news then.
	known bool
	// unknown: metadata does not have the partition. Kafka does not answer at
	// once for such, and sends an empty list of aborted transactions.
	unknown bool
	// current is what the client takes for the leader epoch.
	current ids.LeaderEpoch
	// topic is the name of a topic that the client names by id: empty until it was
	// found, by this request or by one of its session before.
	topic string
}

func (h *fetch) handle(c *conn.Call, req *kmsg.FetchRequest) {
	session, err := h.sessions.Open(sessionRequest(req))
	if err != nil {
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ErrorCode = Code(err)
		c.Reply(resp)
		return
	}
	f := &fetching{h: h, c: c, req: req, version: req.Version, session: session}
	f.max = int(min(req.MaxBytes, h.config.MaxBytes))
	f.min = min(int(req.MinBytes), f.max)
	f.reads = make([]read, len(session.Partitions))
	for i := range f.reads {
		f.reads[i].topic = session.Partitions[i].Topic
	}
	f.deadline = c.Received.Add(time.Duration(req.MaxWaitMillis) * time.Millisecond)
	if req.MaxWaitMillis <= 0 {
		f.last.Store(true)
	}
	f.look()
}

// replicaID is where the request says it comes from: a field until version 14,
// a tag after; -1 is a consumer.
func replicaID(req *kmsg.FetchRequest) int32 {
	if req.Version >= 15 {
		return req.ReplicaState.ID
	}
	return req.ReplicaID
}

func sessionRequest(req *kmsg.FetchRequest) *fetchsession.Request {
	r := &fetchsession.Request{ID: req.SessionID, Epoch: req.SessionEpoch, UsesIDs: req.Version >= 13, Privileged: replicaID(req) >= 0}
	if req.Version < 7 {
		r.ID, r.Epoch = 0, -1
	}
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	r.Partitions = make([]fetchsession.Partition, 0, n)
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			r.Partitions = append(r.Partitions, fetchsession.Partition{
				Key:    fetchsession.Key{ID: ids.TopicID(t.TopicID), Name: t.Topic, Partition: p.Partition},
				Offset: ids.Offset(p.FetchOffset), MaxBytes: p.PartitionMaxBytes, LogStart: ids.Offset(p.LogStartOffset),
				CurrentEpoch: optionalEpoch(p.CurrentLeaderEpoch), LastFetchedEpoch: optionalEpoch(p.LastFetchedEpoch),
			})
		}
	}
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		for _, p := range t.Partitions {
			r.Forgotten = append(r.Forgotten, fetchsession.Key{ID: ids.TopicID(t.TopicID), Name: t.Topic, Partition: p})
		}
	}
	return r
}

// optionalEpoch: every negative epoch of a fetch means that there is none.
func optionalEpoch(e int32) ids.LeaderEpoch { return max(ids.LeaderEpoch(e), ids.NoEpoch) }

// look reads every partition and replies, or parks the request.
func (f *fetching) look() {
	bytes, now := f.readAll()
	if now || bytes >= f.min || f.last.Load() || f.behind() {
		f.reply()
		return
	}
	f.releaseAll()
	f.park(f.min - bytes)
}

// behind tells whether a reader has come to the end of a segment that is not the
// last. No append adds to what is left there, so waiting for more is in vain.
func (f *fetching) behind() bool {
	committed := f.isolation() == replica.Committed
	for i := range f.reads {
		r := &f.reads[i]
		limit := r.res.HighWatermark
		if committed {
			limit = r.res.LastStable
		}
		if r.part != nil && r.part.InOlderSegment(f.session.Partitions[i].Offset, limit) {
			return true
		}
	}
	return false
}

// readAll reads the partitions in order until the bytes are used up. now: the
// reply must not wait.
func (f *fetching) readAll() (bytes int, now bool) {
	left, first, known := f.max, true, 0
	for i := range f.session.Partitions {
		r := &f.reads[i]
		f.readOne(r, &f.session.Partitions[i], left, first)
		if !r.unknown {
			known++
			now = now || r.code != 0 || r.res.Diverging.Epoch != ids.NoEpoch
		}
		if n := r.res.Slice.Len; n > 0 {
			bytes, left, first = bytes+n, max(left-n, 0), false
		}
	}
	return bytes, now || known == 0
}

var nothingRead = replica.ReadResult{
	HighWatermark: ids.NoOffset, LastStable: ids.NoOffset, LogStart: ids.NoOffset,
	Diverging: ids.OffsetAndEpoch{Offset: ids.NoOffset, Epoch: ids.NoEpoch},
}

// readOne reads up to left bytes of one partition; first: nothing was read yet.
func (f *fetching) readOne(r *read, p *fetchsession.Partition, left int, first bool) {
	r.part, r.code, r.current = nil, 0, p.CurrentEpoch
	err := f.find(r, p)
	if err == nil && min(int(p.MaxBytes), left) < 0 {
		err = kerr.UnknownServerError // as Kafka, which cannot read a negative length
	}
	if err == nil {
		r.res, err = r.part.Read(replica.ReadOptions{
			From: p.Offset, MaxBytes: min(int(p.MaxBytes), left), MinOneBatch: first, Isolation: f.isolation(),
			CurrentEpoch: p.CurrentEpoch, LastFetchedEpoch: p.LastFetchedEpoch,
		})
	}
	missing := errors.Is(err, replica.ErrUnknownPartition) || errors.Is(err, replica.ErrUnknownTopicID)
	r.known = r.known || !missing
	r.unknown = !r.known
	if err != nil {
		r.code, r.res = Code(err), nothingRead
		if r.code == kerr.KafkaStorageError.Code && f.version <= 5 {
			r.code = kerr.NotLeaderForPartition.Code // those clients do not know the code and would not retry
		}
	}
}

func (f *fetching) find(r *read, p *fetchsession.Partition) (err error) {
	if f.version >= 13 {
		err = f.findByID(r, p)
	} else {
		r.part, err = f.h.replicas.Get(ids.TopicPartition{Topic: p.Name, Partition: p.Partition})
	}
	if err == nil && replicaID(f.req) >= 0 {
		err = refuseFollower(r.part, p.CurrentEpoch)
	}
	return err
}

// findByID goes by the id. A topic that was there and is not any more is looked
// for by its name as well: the client may have to do with another of that name.
func (f *fetching) findByID(r *read, p *fetchsession.Partition) (err error) {
	r.part, err = f.h.replicas.GetByID(p.ID, p.Partition)
	gone := errors.Is(err, replica.ErrUnknownTopicID)
	switch {
	case r.topic == "" && !gone:
		if t := f.h.replicas.Image().Topics.ByID(p.ID); t != nil {
			r.topic = t.Name
		}
	case r.topic != "" && gone:
		_, err = f.h.replicas.Get(ids.TopicPartition{Topic: r.topic, Partition: p.Partition})
		if !errors.Is(err, replica.ErrUnknownPartition) {
			return kerr.InconsistentTopicID
		}
	}
	return err
}

// refuseFollower is what Kafka says to a broker that is no replica: with a
// leader epoch, that it must know something newer than we do.
func refuseFollower(p *replica.Partition, current ids.LeaderEpoch) error {
	if err := p.CheckLeader(current); err != nil {
		return err
	}
	if current != ids.NoEpoch {
		return replica.ErrUnknownEpoch
	}
	return replica.ErrNotLeader
}

func (f *fetching) isolation() replica.Isolation {
	switch {
	case replicaID(f.req) != -1:
		return replica.LogEnd
	case f.req.IsolationLevel == 1:
		return replica.Committed
	}
	return replica.Uncommitted
}

func (f *fetching) releaseAll() {
	for i := range f.reads {
		f.reads[i].res.Slice.Release()
		f.reads[i].res.Slice = partlog.Slice{}
	}
}

// park waits for need more bytes. Another look follows whatever wakes it: bytes
// are only counted, not read. When Start has been called the request belongs to
// whoever wakes it.
func (f *fetching) park(need int) {
	w := wait.New(int64(need), f.wake)
	first := f.waiter.Swap(w) == nil
	committed := f.isolation() == replica.Committed
	for i := range f.reads {
		if r := &f.reads[i]; r.part != nil {
			r.part.Waiters.Add(w, committed, r.moved)
		}
	}
	if first {
		f.c.Notify(f.poke)
	}
	if f.last.Load() { // poked when the waiter before this one had fired
		w.Fire(wait.Enough)
	}
	w.Start(time.Until(f.deadline))
}

// moved tells whether the partition has news since it was read: records, or that
// it is not led here any more.
func (r *read) moved() bool {
	return r.part.HighWatermark() != r.res.HighWatermark || r.part.LastStable() != r.res.LastStable || r.part.CheckLeader(r.current) != nil
}

// wake may run on the goroutine of a producer that was just answered: look
// reads the page cache and queues a reply, neither of which waits for anybody.
func (f *fetching) wake(why wait.Reason) {
	if why == wait.Deadline {
		f.last.Store(true)
	}
	f.look()
}

// poke answers early because of what happened on the connection. It comes once:
// whoever is looking just now must not wait again either.
func (f *fetching) poke(ev conn.Event) {
	f.last.Store(true)
	w := f.waiter.Load()
	switch {
	case ev != conn.Closed:
		w.Fire(wait.Enough)
	case w.Cancel():
		f.c.NoReply()
	}
}
