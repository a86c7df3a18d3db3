package api

import (
	"encoding/binary"
	"sync"

	"github.com/gregorbroker/gregor/broker/fetchsession"
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/protocol/schema/wire"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Fetch reply is encoded here by hand, because its records are not in memory:
// the head is everything else, and each region says after how many bytes of the
// head it is sent.
//
//	size correlation [tags] throttle error session          error and session from 7
//	topics: { name | id                                     id from 13
//	  partitions: { index error highWatermark lastStable
//	    [logStart] aborted [preferredReplica]               from 5, from 11
//	    recordsLength  ← region
//	    [tags: 0 diverging epoch, 1 current leader] }       tags from 12
//	  [tags] }
//	[tags: 0 node endpoints]                                from 16

// noPreferredReplica tells consumers to stay with the leader.
const noPreferredReplica = -1

// heads are the encode buffers of replies; conn copies what it is given.
var heads = sync.Pool{New: func() any { return new([]byte) }}

// reply sends what was read.
func (f *fetching) reply() {
	results := make([]fetchsession.Result, len(f.reads))
	include := make([]bool, len(f.reads))
	for i := range f.reads {
		r := &f.reads[i]
		results[i] = fetchsession.Result{
			HighWatermark: r.res.HighWatermark, LogStart: r.res.LogStart, Topic: r.topic, Bytes: r.res.Slice.Len,
			Error: r.code != 0, Notable: r.res.Diverging.Epoch != ids.NoEpoch,
		}
	}
	id, err := f.session.Reply(results, include)
	if err != nil {
		f.releaseAll()
		resp := f.req.ResponseKind().(*kmsg.FetchResponse)
		resp.ErrorCode, resp.SessionID = Code(err), id
		f.c.Reply(resp)
		return
	}
	head := heads.Get().(*[]byte)
	e := fetchEncoder{f: f, dst: (*head)[:0], include: include, flexible: f.version >= 12}
	e.encode(id)
	f.c.ReplyRegions(e.dst, e.regions)
	*head = e.dst
	heads.Put(head)
}

type fetchEncoder struct {
	f        *fetching
	dst      []byte
	regions  []conn.Region
	include  []bool
	flexible bool
	nodes    []ids.NodeID // leaders that were named
}

func (e *fetchEncoder) encode(session int32) {
	e.dst = frame.AppendResponseHeader(e.dst, apikey.Fetch, e.f.version, e.f.c.Header.CorrelationID)
	e.dst = wire.AppendInt32(e.dst, 0) // throttle
	if e.f.version >= 7 {
		e.dst = wire.AppendInt16(e.dst, 0)
		e.dst = wire.AppendInt32(e.dst, session)
	}
	e.topics()
	if replicaID(e.f.req) >= 0 {
		e.nodes = nil // brokers know each other's addresses
	}
	if e.flexible {
		e.endpoints()
	}
	size := len(e.dst) - 4
	for i := range e.regions {
		size += e.regions[i].Len
	}
	binary.BigEndian.PutUint32(e.dst, uint32(size))
}

// topics groups neighbours of the same topic.
func (e *fetchEncoder) topics() {
	parts := e.f.session.Partitions
	count := 0
	for i := e.next(0); i < len(parts); i = e.groupEnd(i) {
		count++
	}
	e.dst = wire.AppendCount(e.dst, count, e.flexible)
	for i := e.next(0); i < len(parts); {
		end, n := e.groupEnd(i), 0
		for j := i; j < end; j = e.next(j + 1) {
			n++
		}
		e.topic(&parts[i].Key)
		e.dst = wire.AppendCount(e.dst, n, e.flexible)
		for ; i < end; i = e.next(i + 1) {
			e.partition(i)
		}
		e.noTags()
	}
}

// next is the first included partition from i on.
func (e *fetchEncoder) next(i int) int {
	for i < len(e.include) && !e.include[i] {
		i++
	}
	return i
}

// groupEnd is the first included partition behind i that is of another topic.
func (e *fetchEncoder) groupEnd(i int) int {
	parts := e.f.session.Partitions
	j := i
	for j < len(parts) && parts[j].ID == parts[i].ID && parts[j].Name == parts[i].Name {
		j = e.next(j + 1)
	}
	return j
}

func (e *fetchEncoder) topic(k *fetchsession.Key) {
	switch {
	case e.f.version >= 13:
		e.dst = append(e.dst, k.ID[:]...)
	case e.flexible:
		e.dst = wire.AppendCompactString(e.dst, k.Name)
	default:
		e.dst = wire.AppendString(e.dst, k.Name)
	}
}

// partition encodes the i-th of the session's.
func (e *fetchEncoder) partition(i int) {
	r := &e.f.reads[i]
	e.dst = wire.AppendInt32(e.dst, e.f.session.Partitions[i].Partition)
	e.dst = wire.AppendInt16(e.dst, r.code)
	e.dst = wire.AppendInt64(e.dst, int64(r.res.HighWatermark))
	e.dst = wire.AppendInt64(e.dst, int64(r.res.LastStable))
	if e.f.version >= 5 {
		e.dst = wire.AppendInt64(e.dst, int64(r.res.LogStart))
	}
	e.aborted(r)
	if e.f.version >= 11 {
		e.dst = wire.AppendInt32(e.dst, noPreferredReplica)
	}
	e.records(&r.res)
	if e.flexible {
		e.partitionTags(i)
	}
}

// aborted is null for readers that do not ask for it.
func (e *fetchEncoder) aborted(r *read) {
	if !r.unknown && (r.code != 0 || e.f.isolation() != replica.Committed) {
		e.dst = wire.AppendNull(e.dst, e.flexible)
		return
	}
	e.dst = wire.AppendCount(e.dst, len(r.res.Aborted), e.flexible)
	for _, a := range r.res.Aborted {
		e.dst = wire.AppendInt64(e.dst, a.ProducerID)
		e.dst = wire.AppendInt64(e.dst, int64(a.FirstOffset))
		e.noTags()
	}
}

// records puts the length into the head and the bytes behind it.
func (e *fetchEncoder) records(res *replica.ReadResult) {
	s := res.Slice
	e.dst = wire.AppendCount(e.dst, s.Len, e.flexible)
	if s.Len == 0 {
		s.Release()
		return
	}
	e.regions = append(e.regions, conn.Region{At: len(e.dst), File: s.File, Off: s.Off, Len: s.Len, Release: s.ReleaseFunc()})
	res.Slice = partlog.Slice{} // the region owns it
}

func (e *fetchEncoder) partitionTags(i int) {
	r := &e.f.reads[i]
	diverging := r.res.Diverging.Epoch != ids.NoEpoch
	leader := e.f.version >= 16 && (r.code == kerr.NotLeaderForPartition.Code || r.code == kerr.FencedLeaderEpoch.Code)
	switch {
	case diverging: // never together: a diverging epoch is no error
		e.dst = append(e.dst, 1)
		e.dst = wire.AppendTag(e.dst, 0, func(b []byte) []byte {
			b = wire.AppendInt32(b, int32(r.res.Diverging.Epoch))
			return append(wire.AppendInt64(b, int64(r.res.Diverging.Offset)), 0)
		})
	case leader:
		l := e.leaderOf(&e.f.session.Partitions[i].Key)
		e.dst = append(e.dst, 1)
		e.dst = wire.AppendTag(e.dst, 1, func(b []byte) []byte {
			b = wire.AppendInt32(b, int32(l.Leader))
			return append(wire.AppendInt32(b, int32(l.Epoch)), 0)
		})
	default:
		e.dst = append(e.dst, 0)
	}
}

// leaderOf names the leader of a partition.
func (e *fetchEncoder) leaderOf(k *fetchsession.Key) ids.LeaderAndEpoch {
	l := e.f.h.leaders.of(k.Name, k.ID, k.Partition)
	e.nodes = append(e.nodes, l.Leader)
	return l
}

// endpoints tells where the named leaders listen.
func (e *fetchEncoder) endpoints() {
	type node struct {
		id   ids.NodeID
		at   image.Endpoint
		rack *string
	}
	var known []node
	seen := map[ids.NodeID]bool{}
	for _, id := range e.nodes {
		if at, rack, ok := e.f.h.leaders.endpoint(id, e.f.c.Listener); ok && !seen[id] {
			seen[id] = true
			known = append(known, node{id, at, rack})
		}
	}
	if len(known) == 0 {
		e.dst = append(e.dst, 0)
		return
	}
	e.dst = append(e.dst, 1)
	e.dst = wire.AppendTag(e.dst, 0, func(b []byte) []byte {
		b = wire.AppendCount(b, len(known), true)
		for _, n := range known {
			b = wire.AppendInt32(b, int32(n.id))
			b = wire.AppendCompactString(b, n.at.Host)
			b = wire.AppendInt32(b, int32(n.at.Port))
			b = append(wire.AppendCompactNullableString(b, n.rack), 0)
		}
		return b
	})
}

func (e *fetchEncoder) noTags() {
	if e.flexible {
		e.dst = append(e.dst, 0)
	}
}
