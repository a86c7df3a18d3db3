package raftio

import (
	"cmp"
	"math"
	"math/rand/v2"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"go.uber.org/zap"
)

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	c := &o.Config
	c.ElectionTimeout = cmp.Or(c.ElectionTimeout, time.Second)
	c.FetchTimeout = cmp.Or(c.FetchTimeout, 2*time.Second)
	c.ElectionBackoff = cmp.Or(c.ElectionBackoff, time.Second)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 2*time.Second)
	c.RetryBackoff = cmp.Or(c.RetryBackoff, 20*time.Millisecond)
	c.SegmentBytes = min(cmp.Or(c.SegmentBytes, 1<<30), math.MaxInt32)
	c.SegmentMs = cmp.Or(c.SegmentMs, 7*24*time.Hour.Milliseconds())
	c.RetentionBytes = cmp.Or(c.RetentionBytes, 100<<20)
	c.RetentionMs = cmp.Or(c.RetentionMs, 7*24*time.Hour.Milliseconds())
	c.FetchMaxWait = cmp.Or(c.FetchMaxWait, 500*time.Millisecond)
	c.FetchMaxBytes = cmp.Or(c.FetchMaxBytes, 1<<20)
	c.SnapshotMaxBytes = cmp.Or(c.SnapshotMaxBytes, 1<<20)
	c.MaxBatchBytes = min(cmp.Or(c.MaxBatchBytes, 8<<20), maxWrite, int(c.SegmentBytes))
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	return o
}

// coreConfig is what the core needs of the options.
func (o *Options) coreConfig() (raft.Config, error) {
	static, err := raft.NewVoterSet(o.StaticVoters...)
	if err != nil {
		return raft.Config{}, err
	}
	c := raft.Config{
		Self: raft.ReplicaKey{ID: o.NodeID, Directory: o.DirectoryID}, CanBeVoter: o.CanBeVoter, Endpoints: o.Endpoints,
		MinKRaft: 0, MaxKRaft: MaxKRaftVersion, Static: static, AutoJoin: o.AutoJoin,
		ElectionTimeout: o.Config.ElectionTimeout.Milliseconds(), FetchTimeout: o.Config.FetchTimeout.Milliseconds(),
		ElectionBackoff: o.Config.ElectionBackoff.Milliseconds(), RequestTimeout: o.Config.RequestTimeout.Milliseconds(),
		RetryBackoff: o.Config.RetryBackoff.Milliseconds(), FetchMaxWait: o.Config.FetchMaxWait.Milliseconds(),
		FetchMaxBytes: o.Config.FetchMaxBytes, SnapshotMaxBytes: o.Config.SnapshotMaxBytes,
		Rand: rand.New(rand.NewPCG(o.Seed, uint64(o.NodeID))),
	}
	for _, addr := range o.Bootstrap {
		e, err := parseAddress(addr)
		if err != nil {
			return c, err
		}
		c.Bootstrap = append(c.Bootstrap, e)
	}
	return c, nil
}

// MaxKRaftVersion is the highest level of kraft.version this node supports.
const MaxKRaftVersion = 1

// logConfig: partlog removes no records by itself; a segment goes when a snapshot covers it.
func (o *Options) logConfig() *partlog.Config {
	c := partlog.DefaultConfig()
	c.SegmentBytes, c.SegmentMs = int32(o.Config.SegmentBytes), o.Config.SegmentMs
	c.MaxMessageBytes = maxBatch
	c.RetentionBytes, c.RetentionMs = -1, -1
	return &c
}

func (o *Options) logEnv() *partlog.Env {
	log := o.Logger
	return &partlog.Env{
		Clock: func() int64 { return o.Clock().UnixMilli() },
		Warn:  func(_ ids.TopicPartition, msg string, err error) { log.Warn(msg, zap.Error(err)) },
	}
}
