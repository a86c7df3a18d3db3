package groupcoord

import (
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetFetch handles versions 1–10. Before version 8 it is of one group; the
// older form is made of the newer one.
func (s *Service) OffsetFetch(req *kmsg.OffsetFetchRequest, reply func(*kmsg.OffsetFetchResponse)) {
	groups := req.Groups
	if req.Version < 8 {
		groups = []kmsg.OffsetFetchRequestGroup{oneGroup(req)}
	}
	all := gather(len(groups), func(out []kmsg.OffsetFetchResponseGroup) {
		r := kmsg.NewPtrOffsetFetchResponse()
		r.Version = req.Version
		if req.Version >= 8 {
			r.Groups = out
		} else {
			asOneGroup(r, &out[0])
		}
		reply(r)
	})
	named := frame.Repeats[string]{}
	for i := range groups {
		if named.TooMany(groups[i].Group) {
			refused := kmsg.NewOffsetFetchResponseGroup()
			refused.Group, refused.ErrorCode = groups[i].Group, kerr.InvalidRequest.Code
			all.set(i, refused)
			continue
		}
		s.fetchGroup(&groups[i], req, func(g kmsg.OffsetFetchResponseGroup) { all.set(i, g) })
	}
}

func oneGroup(req *kmsg.OffsetFetchRequest) kmsg.OffsetFetchRequestGroup {
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = req.Group
	if req.Topics == nil && req.Version >= 2 {
		return g // all that the group has
	}
	g.Topics = make([]kmsg.OffsetFetchRequestGroupTopic, len(req.Topics))
	for i := range req.Topics {
		g.Topics[i] = kmsg.NewOffsetFetchRequestGroupTopic()
		g.Topics[i].Topic, g.Topics[i].Partitions = req.Topics[i].Topic, req.Topics[i].Partitions
	}
	return g
}

func asOneGroup(r *kmsg.OffsetFetchResponse, g *kmsg.OffsetFetchResponseGroup) {
	r.ErrorCode = g.ErrorCode
	r.Topics = make([]kmsg.OffsetFetchResponseTopic, len(g.Topics))
	for i := range g.Topics {
		t := &r.Topics[i]
		*t = kmsg.NewOffsetFetchResponseTopic()
		t.Topic = g.Topics[i].Topic
		t.Partitions = make([]kmsg.OffsetFetchResponseTopicPartition, len(g.Topics[i].Partitions))
		for j, p := range g.Topics[i].Partitions {
			t.Partitions[j] = kmsg.OffsetFetchResponseTopicPartition{
				Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata, ErrorCode: p.ErrorCode,
			}
		}
	}
}

// fetchGroup answers for one group.
func (s *Service) fetchGroup(g *kmsg.OffsetFetchRequestGroup, req *kmsg.OffsetFetchRequest, done func(kmsg.OffsetFetchResponseGroup)) {
	known, unknown := s.splitFetch(g, req.Version)
	readGroup(s, g.Group,
		func(sh *shard) kmsg.OffsetFetchResponseGroup {
			exists := sh.groups.Get(g.Group) != nil
			if c := sh.consumers.Get(g.Group); c != nil {
				exists = true
				if bad := c.CheckFetch(g.MemberID, g.MemberEpoch); bad != nil {
					return fetchFailed(g, req.Version, bad.Code)
				}
			}
			out := sh.offsets.Fetch(known, exists, req.RequireStable)
			if known.Topics == nil && req.Version >= fetchByTopicID {
				out.Topics = s.withIDs(out.Topics)
			}
			out.Topics = append(out.Topics, unknown...)
			return out
		},
		func(err error) kmsg.OffsetFetchResponseGroup { return fetchFailed(g, req.Version, fetchCode(err)) },
		done)
}

// splitFetch gives topics their names and ids, whichever the version does not
// have, and parts those that there are not, with their answers. By name the id
// is the topic's of today: an offset of a topic that was deleted since, and made
// anew, is none of its own.
func (s *Service) splitFetch(g *kmsg.OffsetFetchRequestGroup, version int16) (*kmsg.OffsetFetchRequestGroup, []kmsg.OffsetFetchResponseGroupTopic) {
	if g.Topics == nil {
		return g, nil
	}
	known := *g
	known.Topics = make([]kmsg.OffsetFetchRequestGroupTopic, 0, len(g.Topics))
	var unknown []kmsg.OffsetFetchResponseGroupTopic
	for _, t := range g.Topics {
		if version < fetchByTopicID {
			id, _ := s.topics.IDOf(t.Topic)
			t.TopicID = id
		} else if name, ok := s.topics.NameOf(ids.TopicID(t.TopicID)); ok {
			t.Topic = name
		} else {
			unknown = append(unknown, refuseFetch(&t, kerr.UnknownTopicID.Code))
			continue
		}
		known.Topics = append(known.Topics, t)
	}
	return &known, unknown
}

// withIDs gives topics their ids; those without one cannot be told.
func (s *Service) withIDs(topics []kmsg.OffsetFetchResponseGroupTopic) []kmsg.OffsetFetchResponseGroupTopic {
	out := topics[:0]
	for _, t := range topics {
		if id, ok := s.topics.IDOf(t.Topic); ok {
			t.TopicID = id
			out = append(out, t)
		}
	}
	return out
}

// refuseFetch is the answer for a topic with an error.
func refuseFetch(t *kmsg.OffsetFetchRequestGroupTopic, code int16) kmsg.OffsetFetchResponseGroupTopic {
	out := kmsg.NewOffsetFetchResponseGroupTopic()
	out.Topic, out.TopicID = t.Topic, t.TopicID
	for _, n := range t.Partitions {
		p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		empty := ""
		p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode = n, -1, -1, &empty, code
		out.Partitions = append(out.Partitions, p)
	}
	return out
}

// fetchFailed is the answer for a whole group; version 1 has room for the error
// only in the partitions.
func fetchFailed(g *kmsg.OffsetFetchRequestGroup, version, code int16) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = g.Group
	if version >= 2 {
		out.ErrorCode = code
		return out
	}
	for i := range g.Topics {
		out.Topics = append(out.Topics, refuseFetch(&g.Topics[i], code))
	}
	return out
}
