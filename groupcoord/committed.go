package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/classic"
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/groupcoord/offsets"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// From these versions on requests name topics by id.
const (
	commitByTopicID = 10
	fetchByTopicID  = 10
)

// CommitOffsets handles OffsetCommit, versions 2–10. Offsets of topics and partitions that do
// not exist are refused one by one, the others are committed together. When it
// returns, the commit has its place among the group's requests, so that the next
// one may come before the reply. out, if not nil, is told to send after replies.
func (s *Service) CommitOffsets(req *kmsg.OffsetCommitRequest, out runtime.Outbox, reply func(*kmsg.OffsetCommitResponse)) {
	known, bad := s.splitCommit(req)
	answer := func(topics []kmsg.OffsetCommitResponseTopic) {
		r := kmsg.NewPtrOffsetCommitResponse()
		r.Version = req.Version
		r.Topics = mergeCommitted(bad, topics)
		reply(r)
	}
	if len(known.Topics) == 0 {
		answer(nil)
		send(out)
		return
	}
	failed := func(code int16) { answer(commitFailed(known, code)) }
	s.rt.DoBeside(s.PartitionOf(req.Group), req.Group, func(sh *shard, now int64) runtime.Outcome {
		if bad := sh.mayCommit(req, now); bad != nil {
			return runtime.Outcome{Out: out, Done: func(_ int64, err error) {
				if err != nil {
					failed(code(err))
					return
				}
				failed(bad.Code)
			}}
		}
		records, topics := offsets.Commit(known, int(s.cfg.OffsetMetadataMaxBytes), now)
		return runtime.Outcome{Records: records, Out: out, Beside: sh.exists(req.Group), Done: func(_ int64, err error) {
			if err != nil {
				failed(code(err))
				return
			}
			s.count.committed.Add(uint64(len(records)))
			answer(topics)
		}}
	}, func(err error) {
		failed(code(err))
		send(out)
	})
}

func send(out runtime.Outbox) {
	if out != nil {
		out.Send()
	}
}

// exists tells whether there is a group. A commit to one that is there changes
// nothing that decides about the next commit.
func (sh *shard) exists(group string) bool {
	return sh.groups.Get(group) != nil || sh.consumers.Get(group) != nil
}

// mayCommit tells why the request may not commit. A group that does not exist is
// made by the first commit of somebody who is no member of it.
func (sh *shard) mayCommit(req *kmsg.OffsetCommitRequest, now int64) *kerr.Error {
	if g := sh.consumers.Get(req.Group); g != nil {
		return g.CheckCommit(&consumer.Committer{
			MemberID: req.MemberID, InstanceID: req.InstanceID, Epoch: req.Generation, Version: req.Version,
		}, func(f func(ids.TopicID, int32) bool) { eachCommitted(req, int(sh.cfg.OffsetMetadataMaxBytes), f) })
	}
	g := sh.groups.Get(req.Group)
	if g == nil {
		switch {
		case req.Generation < 0:
			return nil
		case req.Version >= 9:
			return kerr.GroupIDNotFound
		default:
			return kerr.IllegalGeneration
		}
	}
	err := g.CheckCommit(classic.Committer{MemberID: req.MemberID, InstanceID: req.InstanceID, Generation: req.Generation})
	if err == nil {
		sh.groups.Alive(g, req.MemberID, now)
	}
	return err
}

// eachCommitted calls f with every partition that would be committed, until it says no.
func eachCommitted(req *kmsg.OffsetCommitRequest, maxMetadata int, f func(ids.TopicID, int32) bool) {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			if p := &t.Partitions[j]; !offsets.TooLarge(p.Metadata, maxMetadata) && !f(ids.TopicID(t.TopicID), p.Partition) {
				return
			}
		}
	}
}

// splitCommit parts what can be committed, with names and ids filled in, from
// what is answered with an error at once. Nothing is copied if there is no error.
func (s *Service) splitCommit(req *kmsg.OffsetCommitRequest) (*kmsg.OffsetCommitRequest, []kmsg.OffsetCommitResponseTopic) {
	known := 0
	for known < len(req.Topics) {
		t := &req.Topics[known]
		if s.identify(t, req.Version) != nil || !s.allThere(t) {
			break
		}
		known++
	}
	if known == len(req.Topics) {
		return req, nil
	}
	return s.splitBadCommit(req)
}

// allThere tells whether a topic has all the partitions to be committed.
func (s *Service) allThere(t *kmsg.OffsetCommitRequestTopic) bool {
	n := s.topics.Partitions(t.Topic)
	for i := range t.Partitions {
		if p := t.Partitions[i].Partition; p < 0 || p >= n {
			return false
		}
	}
	return true
}

func (s *Service) splitBadCommit(req *kmsg.OffsetCommitRequest) (*kmsg.OffsetCommitRequest, []kmsg.OffsetCommitResponseTopic) {
	known := *req
	known.Topics = make([]kmsg.OffsetCommitRequestTopic, 0, len(req.Topics))
	var bad []kmsg.OffsetCommitResponseTopic
	for _, t := range req.Topics {
		if err := s.identify(&t, req.Version); err != nil {
			bad = append(bad, refuseCommit(&t, t.Partitions, err.Code))
			continue
		}
		n := s.topics.Partitions(t.Topic)
		here := make([]kmsg.OffsetCommitRequestTopicPartition, 0, len(t.Partitions))
		var gone []kmsg.OffsetCommitRequestTopicPartition
		for _, p := range t.Partitions {
			if p.Partition >= 0 && p.Partition < n {
				here = append(here, p)
			} else {
				gone = append(gone, p)
			}
		}
		if len(gone) > 0 {
			bad = append(bad, refuseCommit(&t, gone, kerr.UnknownTopicOrPartition.Code))
		}
		if t.Partitions = here; len(here) > 0 {
			known.Topics = append(known.Topics, t)
		}
	}
	return &known, bad
}

// identify fills in the topic's name or id, whichever the version does not have.
func (s *Service) identify(t *kmsg.OffsetCommitRequestTopic, version int16) *kerr.Error {
	if version >= commitByTopicID {
		name, ok := s.topics.NameOf(ids.TopicID(t.TopicID))
		if !ok {
			return kerr.UnknownTopicID
		}
		t.Topic = name
		return nil
	}
	id, ok := s.topics.IDOf(t.Topic)
	if !ok {
		return kerr.UnknownTopicOrPartition
	}
	t.TopicID = id
	return nil
}

func refuseCommit(t *kmsg.OffsetCommitRequestTopic, partitions []kmsg.OffsetCommitRequestTopicPartition, code int16) kmsg.OffsetCommitResponseTopic {
	out := kmsg.NewOffsetCommitResponseTopic()
	out.Topic, out.TopicID = t.Topic, t.TopicID
	for _, p := range partitions {
		r := kmsg.NewOffsetCommitResponseTopicPartition()
		r.Partition, r.ErrorCode = p.Partition, code
		out.Partitions = append(out.Partitions, r)
	}
	return out
}

func commitFailed(req *kmsg.OffsetCommitRequest, code int16) []kmsg.OffsetCommitResponseTopic {
	out := make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		out[i] = refuseCommit(&req.Topics[i], req.Topics[i].Partitions, code)
	}
	return out
}

// mergeCommitted adds the topics of more to those of first, once each.
func mergeCommitted(first, more []kmsg.OffsetCommitResponseTopic) []kmsg.OffsetCommitResponseTopic {
	if len(first) == 0 {
		return more
	}
	at := make(map[string]int, len(first))
	for i := range first {
		at[first[i].Topic] = i
	}
	for _, t := range more {
		if i, ok := at[t.Topic]; ok {
			first[i].Partitions = append(first[i].Partitions, t.Partitions...)
			continue
		}
		first = append(first, t)
	}
	return first
}

// OffsetDelete handles version 0.
func (s *Service) OffsetDelete(req *kmsg.OffsetDeleteRequest, reply func(*kmsg.OffsetDeleteResponse)) {
	known, unknown := s.splitDelete(req)
	answer := func(topics []kmsg.OffsetDeleteResponseTopic, code int16) {
		r := kmsg.NewPtrOffsetDeleteResponse()
		r.Version, r.ErrorCode = req.Version, code
		if code == 0 {
			r.Topics = mergeDeleted(unknown, topics)
		}
		reply(r)
	}
	if req.Group == "" {
		answer(nil, kerr.InvalidGroupID.Code)
		return
	}
	s.do(req.Group, func(sh *shard, _ int64) runtime.Outcome {
		bad := kerr.GroupIDNotFound
		var records []runtime.Record
		var topics []kmsg.OffsetDeleteResponseTopic
		if g := sh.consumers.Get(req.Group); g != nil {
			bad = nil
			records, topics = sh.offsets.Delete(known, g.Subscribed)
		} else if g := sh.groups.Get(req.Group); g != nil {
			if bad = g.CheckOffsetDelete(); bad == nil {
				records, topics = sh.offsets.Delete(known, g.Subscribed)
			}
		}
		return runtime.Outcome{Records: records, Split: true, Done: func(_ int64, err error) {
			if err != nil {
				answer(nil, code(err))
				return
			}
			s.count.deleted.Add(uint64(len(records)))
			answer(topics, codeOf(bad))
		}}
	}, func(err error) { answer(nil, code(err)) })
}

// splitDelete parts the partitions that exist from those that do not.
func (s *Service) splitDelete(req *kmsg.OffsetDeleteRequest) (*kmsg.OffsetDeleteRequest, []kmsg.OffsetDeleteResponseTopic) {
	known := *req
	known.Topics = nil
	var unknown []kmsg.OffsetDeleteResponseTopic
	for _, t := range req.Topics {
		n := s.topics.Partitions(t.Topic)
		var here []kmsg.OffsetDeleteRequestTopicPartition
		gone := kmsg.NewOffsetDeleteResponseTopic()
		gone.Topic = t.Topic
		for _, p := range t.Partitions {
			if p.Partition >= 0 && p.Partition < n {
				here = append(here, p)
				continue
			}
			r := kmsg.NewOffsetDeleteResponseTopicPartition()
			r.Partition, r.ErrorCode = p.Partition, kerr.UnknownTopicOrPartition.Code
			gone.Partitions = append(gone.Partitions, r)
		}
		if len(gone.Partitions) > 0 {
			unknown = append(unknown, gone)
		}
		if t.Partitions = here; len(here) > 0 {
			known.Topics = append(known.Topics, t)
		}
	}
	return &known, unknown
}

func mergeDeleted(first, more []kmsg.OffsetDeleteResponseTopic) []kmsg.OffsetDeleteResponseTopic {
	at := make(map[string]int, len(first))
	for i := range first {
		at[first[i].Topic] = i
	}
	for _, t := range more {
		if i, ok := at[t.Topic]; ok {
			first[i].Partitions = append(first[i].Partitions, t.Partitions...)
			continue
		}
		first = append(first, t)
	}
	return first
}
