package groupcoord

import (
	"fmt"
	"strings"
	"testing/synctest"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// simPlace is a partition of a group's.
type simPlace struct {
	group     string
	partition int32
}

// simClaim is a partition in one epoch of a group.
type simClaim struct {
	simPlace
	epoch int32
}

// simOffset is the history of one committed offset. Numbers grow; whoever commits
// waits for the answer, or dies.
type simOffset struct {
	last  int64
	acked int64          // the last that was acknowledged, −1 none
	epoch int32          // of who committed it
	tried map[int64]bool // those of which nobody knows
}

func (s *sim) offset(group string, p int32) *simOffset {
	at := simPlace{group, p}
	if s.offsets[at] == nil {
		s.offsets[at] = &simOffset{acked: -1, tried: map[int64]bool{}}
	}
	return s.offsets[at]
}

func (o *simOffset) acknowledged(n int64, epoch int32, s *sim) {
	if epoch < o.epoch {
		s.fail("epoch %d committed after epoch %d", epoch, o.epoch)
	}
	if n > o.acked {
		o.acked, o.epoch = n, epoch
	}
}

// may tells whether the offset may be n: the last one acknowledged, or a later one
// of which nobody knows.
func (o *simOffset) may(n int64) bool { return n == o.acked || n > o.acked && o.tried[n] }

// claims notes who was told to own partitions in an epoch: there is one owner for
// each, ever.
func (s *sim) claims(group string, epoch int32, member string, parts []int32) {
	for _, p := range parts {
		c := simClaim{simPlace{group, p}, epoch}
		if other, taken := s.owners[c]; taken && other != member {
			s.fail("partition %d belongs to %s and %s in epoch %d", p, other, member, epoch)
		}
		s.owners[c] = member
	}
}

// judge looks at everything, after each event.
func (s *sim) judge() {
	for _, b := range s.brokers {
		for p := range int32(simParts) {
			if b.alive && b.told[p] != 0 {
				s.judgeLoading(b, p)
				s.judgeState(b, p)
			}
		}
	}
	s.judgeOwners()
}

// judgeLoading: a coordinator that loads says so to everybody, and never that there
// is nothing.
func (s *sim) judgeLoading(b *simBroker, p int32) {
	if b.gates[p] == nil || !b.reads[p] {
		return
	}
	s.hit("somebody asks while the coordinator loads")
	for _, group := range []string{classicGroup, modernGroup} {
		if PartitionFor(group, simParts) != p {
			continue
		}
		s.fetch(b, group, func(g *kmsg.OffsetFetchResponseGroup) {
			if g.ErrorCode != loadInProgress {
				s.fail("%s: offsets while loading: error %d, %+v", group, g.ErrorCode, g.Topics)
			}
		})
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups = []string{group}
		b.svc.ConsumerGroupDescribe(req, func(r *kmsg.ConsumerGroupDescribeResponse) {
			if code := r.Groups[0].ErrorCode; code != loadInProgress {
				s.fail("%s: described while loading: error %d", group, code)
			}
		})
		synctest.Wait()
	}
}

// judgeState: what the coordinator knows is the replay of its log: of the one that
// counts, or of its own as long as it has not heard that it leads no longer.
func (s *sim) judgeState(b *simBroker, p int32) {
	var got, want string
	b.svc.onShard(p, func(sh *shard) { got = sh.picture() })
	if got == "" {
		return // it loads
	}
	fresh := newShard(p, b.svc, s.image)
	s.log.mu.Lock()
	batches, _, _ := simPort{&s.log, b}.view(p)
	all := recordsOf(batches)
	s.log.mu.Unlock()
	for _, r := range all {
		e := runtime.Entry{Offset: r.Offset, Timestamp: r.Timestamp, ProducerID: batch.NoProducerID, Key: r.Key, Value: r.Value}
		if err := fresh.Replay(e, true); err != nil {
			s.fail("partition %d does not replay: %v", p, err)
		}
	}
	if want = fresh.picture(); got != want {
		s.fail("broker %d has of partition %d\n%s\nand its log\n%s", b.id, p, got, want)
	}
}

// picture is all that a shard has from its log, as far as groups tell of it. A
// classic group's members are on their way elsewhere while it is not stable.
func (s *shard) picture() string {
	var out strings.Builder
	out.WriteString("shard\n")
	for _, id := range s.consumers.IDs() {
		r := kmsg.NewPtrConsumerGroupDescribeResponse()
		g := s.consumers.Get(id)
		r.Groups = append(r.Groups, g.Describe(s.image()))
		fmt.Fprintf(&out, "%s %s epoch %d: %x\n", id, g.State(), g.Epoch(), r.AppendTo(nil))
		for _, t := range g.Tombstones() {
			fmt.Fprintf(&out, "  %x\n", t.Key)
		}
	}
	for _, id := range []string{classicGroup, modernGroup} {
		s.offsets.EachOf(id, func(topic string, topicID ids.TopicID, partition int32, offset ids.Offset) {
			fmt.Fprintf(&out, "%s %s %v %d=%d\n", id, topic, topicID, partition, offset)
		})
	}
	return out.String()
}

// judgeOwners: no two members read a partition, unless one of them was fenced and
// has not heard of it.
func (s *sim) judgeOwners() {
	owner := map[[2]int32]string{}
	for _, c := range s.classics {
		for _, p := range c.owned {
			key := [2]int32{int32(p), c.gen}
			if other, taken := owner[key]; taken {
				s.fail("partition %d has two owners in generation %d: %s and %s", p, c.gen, other, c.name)
			}
			owner[key] = c.name
		}
	}
	b := s.leader(modernGroup)
	if b == nil || !s.leads(b, modernGroup) {
		return
	}
	epochs := map[string]int32{}
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{modernGroup}
	if r := ask(b.svc.ConsumerGroupDescribe, req); r != nil && r.Groups[0].ErrorCode == 0 {
		for _, m := range r.Groups[0].Members {
			epochs[m.MemberID] = m.MemberEpoch
		}
	}
	by := map[int32]*simModern{}
	for _, m := range s.moderns {
		if epoch, member := epochs[m.id]; !member || epoch != m.epoch {
			continue
		}
		for _, p := range m.reads {
			if other := by[p]; other != nil {
				s.fail("partition %d is read by %+v and %+v", p, other.reader, m.reader)
			}
			by[p] = m
		}
	}
}

// probe asks a coordinator for a group's offsets. Only the one that leads, and knows
// it, has to know them all.
func (s *sim) probe(group string) {
	b := s.leader(group)
	if b == nil || !s.leads(b, group) {
		return
	}
	s.fetch(b, group, func(g *kmsg.OffsetFetchResponseGroup) {
		s.note("offsets of %s: %d", group, g.ErrorCode)
		if g.ErrorCode == 0 {
			s.judgeOffsets(group, g)
		} else if g.ErrorCode != loadInProgress && g.ErrorCode != kerr.NotCoordinator.Code {
			s.fail("offsets of %s: error %d", group, g.ErrorCode)
		}
	})
}

func (s *sim) judgeOffsets(group string, g *kmsg.OffsetFetchResponseGroup) {
	s.hit("offsets are fetched")
	for _, p := range g.Topics[0].Partitions {
		if o := s.offset(group, p.Partition); !o.may(p.Offset) {
			s.fail("%s-%d is at %d; %d was acknowledged, later ones are %v", group, p.Partition, p.Offset, o.acked, o.tried)
		}
	}
}
