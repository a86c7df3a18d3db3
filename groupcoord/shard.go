package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/classic"
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/offsets"
	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// shard is the groups and offsets of one partition of __consumer_offsets: the
// machine that the runtime runs. The pure cores hold requests by ticket; here
// the tickets are the callbacks to answer with.
type shard struct {
	s         *Service
	partition int32
	cfg       *Config
	logger    *zap.Logger
	count     *counters
	image     func() consumer.Image
	groups    *classic.Groups  // those of the classic protocol, and those made by a commit
	consumers *consumer.Groups // those of KIP-848; no id is in both
	offsets   *offsets.Store
	holds     holds // heartbeats

	held     map[classic.Ticket]held
	last     classic.Ticket
	followUp []runtime.Outcome // decided by a Done: performed as soon as it is over
	sweep    sweep
	skipped  map[int16]struct{} // record types that were told of once
}

// held is the callback of a request that waits; one of the two.
type held struct {
	join func(*kmsg.JoinGroupResponse)
	sync func(*kmsg.SyncGroupResponse)
}

func newShard(partition int32, s *Service, image func() consumer.Image) *shard {
	cfg := &s.cfg
	return &shard{
		s: s, partition: partition, cfg: cfg, logger: s.logger, count: &s.count, image: image,
		consumers: consumer.New(s.consumerConfig),
		groups: classic.New(classic.Config{
			InitialDelay: int64(cfg.InitialRebalanceDelay), NewMemberTimeout: int64(cfg.NewMemberJoinTimeout),
			MaxSize: int(cfg.GroupMaxSize),
		}),
		offsets: offsets.New(), held: map[classic.Ticket]held{},
	}
}

// hold keeps a callback until its ticket is answered.
func (s *shard) hold(h held) classic.Ticket {
	s.last++
	s.held[s.last] = h
	return s.last
}

// perform turns what a core decided into an outcome; then, if not nil, learns
// how it ended, after the replies are out.
func (s *shard) perform(e classic.Effects, then func(err error)) runtime.Outcome {
	s.tell(e.Notes)
	if e.Write == nil && len(e.Joins) == 0 && len(e.Syncs) == 0 && then == nil {
		return runtime.Outcome{}
	}
	var o runtime.Outcome
	if e.Write != nil {
		o.Records = []runtime.Record{{Key: e.Write.Key, Value: e.Write.Value}}
	}
	o.Done = func(now int64, err error) {
		if e.Write != nil {
			s.follow(s.groups.Written(e.Write, code(err), err == runtime.ErrCommitTimeout, now))
		}
		s.deliver(e, err)
		if then != nil {
			then(err)
		}
	}
	return o
}

// follow goes on with what the end of an earlier outcome led to.
func (s *shard) follow(e classic.Effects) {
	if e.Write == nil {
		s.tell(e.Notes)
		s.deliver(e, nil) // rests on nothing but what just ended
		return
	}
	s.followUp = append(s.followUp, s.perform(e, nil))
}

// deliver answers held requests, with err in place of the answer if there is one.
func (s *shard) deliver(e classic.Effects, err error) {
	for _, r := range e.Joins {
		h := s.held[r.Ticket]
		delete(s.held, r.Ticket)
		if err != nil {
			r.Resp = joinFailed(r.Resp.MemberID, code(err))
		}
		if h.join != nil {
			h.join(r.Resp)
		}
	}
	for _, r := range e.Syncs {
		h := s.held[r.Ticket]
		delete(s.held, r.Ticket)
		if err != nil {
			r.Resp = syncFailed(code(err))
		}
		if h.sync != nil {
			h.sync(r.Resp)
		}
	}
}

// tell logs what is worth telling about groups.
func (s *shard) tell(notes []classic.Note) {
	for _, n := range notes {
		s.logger.Info("group "+n.Text, append(why(n.Done), zap.String("group", n.Group), zap.Int32("generation", n.Generation),
			zap.Stringer("state", n.State), zap.Int32("partition", s.partition))...)
	}
}

// why tells about a rebalance that ended, if one did.
func why(r *Rebalance) []zap.Field {
	if r == nil {
		return nil
	}
	return []zap.Field{zap.Int32("from", r.From), zap.String("why", r.Reason), zap.Int64("ms", r.Ended-r.Began), zap.Strings("last", r.WaitingFor)}
}

// tellConsumers logs what is worth telling about consumer groups.
func (s *shard) tellConsumers(notes []consumer.Note) {
	for i := range notes {
		n := &notes[i]
		s.logger.Info("group "+n.Text, append(why(n.Done), zap.String("group", n.Group), zap.Int32("epoch", n.Epoch), zap.Int32("partition", s.partition))...)
	}
}

// Replay implements runtime.Machine. Record types that are not known are skipped,
// as Kafka does, so that a newer broker's log can be read; a record that is broken
// fails the load, because what it said is lost.
func (s *shard) Replay(e runtime.Entry, loading bool) error {
	if s.offsets.ReplayRecord(&e, func(group []byte) { s.ensure(group, e.Timestamp) }) {
		return nil
	}
	key, err := records.ParseKey(e.Key)
	if err != nil {
		if isUnknown(err) {
			return nil
		}
		return err
	}
	value, _, err := records.ParseValue(key, e.Value)
	if err != nil {
		return err
	}
	switch k := key.(type) {
	case *records.OffsetCommitKey:
		v, _ := value.(*records.OffsetCommitValue)
		s.replayOffset(k, v, e)
	case *records.LegacyOffsetCommitKey:
		s.replayLegacyOffset(k, value, e)
	case *records.GroupMetadataKey:
		v, _ := value.(*records.GroupMetadataValue)
		s.groups.Replay(k.Group, v, loading, e.Timestamp)
	default:
		s.replayConsumer(key, value, loading, e.Timestamp)
	}
	return nil
}

// ensure makes the simple group that an offset tells of, unless there is a group.
func (s *shard) ensure(group []byte, now int64) {
	if s.consumers.Get(string(group)) == nil {
		s.groups.EnsureBytes(group, now)
	}
}

// replayConsumer applies a record of a consumer group. The first one of a group
// ends the simple group that offsets before it have told of.
func (s *shard) replayConsumer(key, value records.Record, loading bool, now int64) {
	id, ok := consumer.GroupOf(key)
	if !ok {
		s.skip(key.ApiKey())
		return
	}
	if value != nil && s.groups.Get(id) != nil {
		s.groups.Replay(id, nil, loading, now)
	}
	s.consumers.Replay(key, value, loading, now)
	s.tellConsumers(s.consumers.Told())
	if value == nil && s.consumers.Get(id) == nil && s.offsets.Has(id) {
		s.groups.Ensure(id, now) // its offsets are left
	}
}

// skip notes records of group kinds that this coordinator doesn't keep.
func (s *shard) skip(kind int16) {
	if _, told := s.skipped[kind]; told {
		return
	}
	if s.skipped == nil {
		s.skipped = map[int16]struct{}{}
	}
	s.skipped[kind] = struct{}{}
	s.logger.Warn("skipping group records of a kind that is not kept here",
		zap.Int16("kind", kind), zap.Int32("partition", s.partition))
}

func (s *shard) replayOffset(k *records.OffsetCommitKey, v *records.OffsetCommitValue, e runtime.Entry) {
	if v != nil && s.consumers.Get(k.Group) == nil {
		s.groups.Ensure(k.Group, e.Timestamp)
	}
	s.offsets.Replay(k, v, e.Offset, e.ProducerID)
}

// replayLegacyOffset takes a record of before Kafka 0.9 for what it became since.
func (s *shard) replayLegacyOffset(k *records.LegacyOffsetCommitKey, value records.Record, e runtime.Entry) {
	key := &records.OffsetCommitKey{Group: k.Group, Topic: k.Topic, Partition: k.Partition}
	old, ok := value.(*records.LegacyOffsetCommitValue)
	if !ok {
		s.replayOffset(key, nil, e)
		return
	}
	v := &records.OffsetCommitValue{}
	v.Default()
	v.Offset, v.Metadata, v.CommitTimestamp = old.Offset, old.Metadata, old.CommitTimestamp
	s.replayOffset(key, v, e)
}

// EndTransaction implements runtime.Machine.
func (s *shard) EndTransaction(producerID int64, committed bool) {
	s.offsets.EndTransaction(producerID, committed)
}

// Loaded implements runtime.Machine.
func (s *shard) Loaded(now int64) runtime.Outcome {
	s.sweep.next = now + s.cfg.OffsetsRetentionCheck
	s.consumers.Loaded(s.moment(now))
	return s.perform(s.groups.Loaded(now), nil)
}

// Deadline implements runtime.Machine.
func (s *shard) Deadline() (int64, bool) {
	if len(s.followUp) > 0 {
		return 0, true
	}
	at, ok := s.groups.Deadline()
	if c, consumers := s.consumersDeadline(); consumers && (!ok || c < at) {
		at, ok = c, true
	}
	if next, sweeps := s.nextSweep(); sweeps && (!ok || next < at) {
		return next, true
	}
	return at, ok
}

// Expire implements runtime.Machine.
func (s *shard) Expire(now int64) runtime.Outcome {
	if len(s.followUp) > 0 {
		o := s.followUp[0]
		s.followUp = s.followUp[1:]
		return o
	}
	if at, ok := s.groups.Deadline(); ok && at <= now {
		return s.perform(s.groups.Expire(now), nil)
	}
	if o, was := s.expireConsumers(now); was {
		return o
	}
	return s.sweepStep(now)
}

// Shift implements runtime.Machine.
func (s *shard) Shift(ms int64) {
	s.groups.Shift(ms)
	s.consumers.Shift(ms)
	s.holds.shift(ms)
	s.sweep.next += ms
}

// Unloaded implements runtime.Machine.
func (s *shard) Unloaded() {
	s.deliver(s.groups.Shutdown(kerr.NotCoordinator.Code), nil)
	s.holds.failAll(runtime.ErrNotCoordinator)
	s.count.classic.Add(s.groups.Rebalances())
	s.count.consumer.Add(s.consumers.Rebalances())
	for _, o := range s.followUp {
		o.Done(0, runtime.ErrNotCoordinator)
	}
}
