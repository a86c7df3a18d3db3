// Package groupcoord is the group coordinator: who is a member of which group,
// and how far each group has read.
//
// # Flow
//
//	broker/api ──▶ Service ──▶ runtime shard of the group's partition ──▶ classic, consumer, offsets (pure)
//	    ▲                          │ decide → append → replay → wait for commit
//	    └────── reply callback ────┘
//
// A group lives on one partition of __consumer_offsets (PartitionFor), with the
// leader of that partition. Lead and Resign say which partitions this broker
// leads, Committed how far they are replicated.
//
// # Invariants
//
//   - Every request gets one reply, also when the leadership goes while it waits.
//   - A reply never tells of something that is not committed.
//   - While a partition loads its requests get COORDINATOR_LOAD_IN_PROGRESS, and
//     never the answer of an empty group.
package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"go.uber.org/zap"
)

// Topic is the name of the internal topic that groups are kept in.
const Topic = "__consumer_offsets"

// loadsAtOnce is how many partitions load at the same time.
const loadsAtOnce = 4

// Options is what a Service needs from the house around it.
type Options struct {
	Config Config
	// Log is __consumer_offsets. Its errors are *kerr.Error, or wrap one.
	Log    Log
	Topics Topics
	// Image is the metadata as consumer groups see it.
	Image func() consumer.Image
	// Settings are what a consumer group of this name has of its own; nil: what
	// Config says.
	Settings func(group string) consumer.Settings
	Clock    Clock
	Logger   *zap.Logger
	// NewUUID makes the random text in the ids of new members.
	NewUUID func() string
}

// Service is the group coordinator of one broker. Its methods are safe for
// concurrent use and return at once; replies come on any goroutine, exactly one
// for each request. Requests must not be changed afterwards.
type Service struct {
	cfg    Config
	topics Topics
	logger *zap.Logger
	uuid   func() string
	rt     *runtime.Runtime[*shard]

	aside aside

	consumerConfig consumer.Config
	count          counters
}

// New makes a Service that leads no partition yet.
func New(o Options) *Service {
	s := &Service{cfg: o.Config, topics: o.Topics, logger: o.Logger, uuid: o.NewUUID}
	s.consumerConfig = s.cfg.consumers(o.Settings)
	s.aside.most = max(1, int(s.cfg.BackgroundThreads))
	s.rt = runtime.New(runtime.Options[*shard]{
		NewMachine:    func(p int32) *shard { return newShard(p, s, o.Image) },
		Log:           o.Log,
		Clock:         o.Clock,
		Logger:        o.Logger,
		CommitTimeout: int64(o.Config.OffsetsCommitTimeout),
		LoadBytes:     int(o.Config.OffsetsLoadBufferBytes),
		Codec:         batch.Codec(o.Config.OffsetsCompression),
		Loads:         loadsAtOnce,
	})
	return s
}

// Lead starts the coordinator of one partition of __consumer_offsets. Lead and
// Resign are called by one goroutine at a time.
func (s *Service) Lead(partition int32, epoch ids.LeaderEpoch) {
	s.logger.Debug("coordinating a partition of groups", zap.Int32("partition", partition), zap.Int32("epoch", int32(epoch)))
	s.rt.Lead(partition, epoch)
}

// Resign ends the coordinator of one partition unless it was started for an
// epoch newer than the one given; NoEpoch ends it in any case.
func (s *Service) Resign(partition int32, epoch ids.LeaderEpoch) { s.rt.Resign(partition, epoch) }

// Committed says that a partition is replicated up to, not including, highWatermark.
func (s *Service) Committed(partition int32, highWatermark ids.Offset) {
	s.rt.Committed(partition, highWatermark)
}

// Close ends all coordinators and waits for them; requests that wait are
// answered with NOT_COORDINATOR.
func (s *Service) Close() {
	s.rt.Close()
	s.aside.stop()
}

// PartitionOf is the partition of __consumer_offsets that keeps the group: of
// the topic as it is, or as it is going to be created.
func (s *Service) PartitionOf(group string) int32 {
	n := s.topics.Partitions(Topic)
	if n == 0 {
		n = s.cfg.OffsetsPartitions
	}
	return PartitionFor(group, n)
}

// TopicsDeleted drops the offsets committed for topics that are gone.
func (s *Service) TopicsDeleted(topics []DeletedTopic) {
	for _, p := range s.rt.Partitions() {
		s.rt.Do(p, "", func(sh *shard, _ int64) runtime.Outcome {
			var out []runtime.Record
			for _, t := range topics {
				out = append(out, sh.offsets.TopicDeleted(t.Name, t.ID)...)
			}
			return runtime.Outcome{Records: out, Split: true}
		}, func(error) {}) // a shard that loads drops them by their topic id, when they are asked for
	}
}

// do runs an operation on the group's shard.
func (s *Service) do(group string, op func(*shard, int64) runtime.Outcome, refuse func(error)) {
	s.rt.Do(s.PartitionOf(group), group, op, refuse)
}
