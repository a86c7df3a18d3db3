package groupcoord

import (
	"strings"
	"sync"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// gathered collects n parts that come from several shards, in any order, and
// goes on with all of them when the last is there.
type gathered[T any] struct {
	mu    sync.Mutex
	parts []T
	left  int
	then  func([]T)
}

// gather calls then with n parts; at once if n is 0.
func gather[T any](n int, then func([]T)) *gathered[T] {
	g := &gathered[T]{parts: make([]T, n), left: n, then: then}
	if n == 0 {
		then(nil)
	}
	return g
}

func (g *gathered[T]) set(i int, part T) {
	g.mu.Lock()
	g.parts[i] = part
	g.left--
	last := g.left == 0
	g.mu.Unlock()
	if last {
		g.then(g.parts)
	}
}

// readGroup reads something of one group when all it rests on is committed.
func readGroup[T any](s *Service, group string, read func(*shard) T, failed func(error) T, done func(T)) {
	s.do(group, func(sh *shard, _ int64) runtime.Outcome {
		out := read(sh)
		return runtime.Outcome{Done: func(_ int64, err error) {
			if err != nil {
				out = failed(err)
			}
			done(out)
		}}
	}, func(err error) { done(failed(err)) })
}

// DescribeGroups handles versions 0–6.
func (s *Service) DescribeGroups(req *kmsg.DescribeGroupsRequest, reply func(*kmsg.DescribeGroupsResponse)) {
	all := gather(len(req.Groups), func(groups []kmsg.DescribeGroupsResponseGroup) {
		r := kmsg.NewPtrDescribeGroupsResponse()
		r.Version, r.Groups = req.Version, groups
		reply(r)
	})
	named := frame.Repeats[string]{}
	for i, id := range req.Groups {
		failed := func(code int16) kmsg.DescribeGroupsResponseGroup {
			g := kmsg.NewDescribeGroupsResponseGroup()
			g.Group, g.ErrorCode = id, code
			return g
		}
		if named.TooMany(id) {
			all.set(i, failed(kerr.InvalidRequest.Code))
			continue
		}
		readGroup(s, id,
			func(sh *shard) kmsg.DescribeGroupsResponseGroup {
				out := sh.describe(id, req.Version)
				if g := sh.groups.Get(id); g != nil && asksWhy(&req.UnknownTags) {
					tellWhy(&out.UnknownTags, g.Rebalances())
				}
				return out
			},
			func(err error) kmsg.DescribeGroupsResponseGroup { return failed(code(err)) },
			func(g kmsg.DescribeGroupsResponseGroup) { all.set(i, g) })
	}
}

// describe tells about one group. One that isn't there is dead, and since
// version 6 (KIP-1043) also an error.
func (sh *shard) describe(id string, version int16) kmsg.DescribeGroupsResponseGroup {
	if g := sh.groups.Get(id); g != nil {
		return g.Describe()
	}
	out := kmsg.NewDescribeGroupsResponseGroup()
	out.Group, out.State = id, "Dead"
	if version >= 6 {
		text := "Group " + id + " not found."
		if sh.consumers.Get(id) != nil {
			text = "Group " + id + " is not a classic group."
		}
		out.ErrorCode, out.ErrorMessage = kerr.GroupIDNotFound.Code, &text
	}
	return out
}

// listing is what one shard has to list.
type listing struct {
	groups []kmsg.ListGroupsResponseGroup
	err    error
}

// ListGroups handles versions 0–5: the groups of all partitions led here.
func (s *Service) ListGroups(req *kmsg.ListGroupsRequest, reply func(*kmsg.ListGroupsResponse)) {
	partitions := s.rt.Partitions()
	filter := newFilter(req)
	all := gather(len(partitions), func(parts []listing) {
		r := kmsg.NewPtrListGroupsResponse()
		r.Version = req.Version
		for _, p := range parts {
			if c := code(p.err); c != 0 && c != kerr.NotCoordinator.Code {
				r.ErrorCode, r.Groups = c, nil // half a list would be taken for the whole
				break
			}
			r.Groups = append(r.Groups, p.groups...)
		}
		reply(r)
	})
	for i, p := range partitions {
		s.rt.Do(p, "", func(sh *shard, _ int64) runtime.Outcome {
			l := listing{groups: sh.list(filter)}
			return runtime.Outcome{Done: func(_ int64, err error) {
				if err != nil {
					l = listing{err: err}
				}
				all.set(i, l)
			}}
		}, func(err error) { all.set(i, listing{err: err}) })
	}
}

func (sh *shard) list(f filter) []kmsg.ListGroupsResponseGroup {
	var out []kmsg.ListGroupsResponseGroup
	for _, id := range sh.groups.IDs() {
		if g := sh.groups.Get(id).Listed(); f.wants(&g) {
			out = append(out, g)
		}
	}
	for _, id := range sh.consumers.IDs() {
		if g := sh.consumers.Get(id).Listed(); f.wants(&g) {
			out = append(out, g)
		}
	}
	return out
}

// filter is the states and types a ListGroups asks for, in small letters; none: all.
type filter struct{ states, types []string }

func newFilter(req *kmsg.ListGroupsRequest) filter {
	var f filter
	for _, s := range req.StatesFilter {
		f.states = append(f.states, strings.TrimSpace(strings.ToLower(s)))
	}
	for _, t := range req.TypesFilter {
		f.types = append(f.types, strings.ToLower(t))
	}
	return f
}

func (f *filter) wants(g *kmsg.ListGroupsResponseGroup) bool {
	return among(f.states, g.GroupState) && among(f.types, g.GroupType)
}

func among(list []string, word string) bool {
	for _, w := range list {
		if w == strings.ToLower(word) {
			return true
		}
	}
	return len(list) == 0
}

// DeleteGroups handles versions 0–2.
func (s *Service) DeleteGroups(req *kmsg.DeleteGroupsRequest, reply func(*kmsg.DeleteGroupsResponse)) {
	groups := distinct(req.Groups)
	all := gather(len(groups), func(out []kmsg.DeleteGroupsResponseGroup) {
		r := kmsg.NewPtrDeleteGroupsResponse()
		r.Version, r.Groups = req.Version, out
		reply(r)
	})
	for i, id := range groups {
		done := func(code int16) {
			g := kmsg.NewDeleteGroupsResponseGroup()
			g.Group, g.ErrorCode = id, code
			all.set(i, g)
		}
		s.do(id, func(sh *shard, _ int64) runtime.Outcome {
			out, bad := sh.delete(id)
			return runtime.Outcome{Records: out, Split: true, Done: func(_ int64, err error) {
				if err != nil {
					done(code(err))
					return
				}
				done(codeOf(bad))
			}}
		}, func(err error) { done(code(err)) })
	}
}

// delete is the tombstones of a group: its own last, so that a deletion that is
// cut short leaves a group that can be deleted again.
func (sh *shard) delete(id string) ([]runtime.Record, *kerr.Error) {
	if g := sh.consumers.Get(id); g != nil {
		if err := g.CheckDelete(); err != nil {
			return nil, err
		}
		return append(sh.offsets.DeleteAll(id), g.Tombstones()...), nil
	}
	g := sh.groups.Get(id)
	if g == nil {
		return nil, kerr.GroupIDNotFound
	}
	if err := g.CheckDelete(); err != nil {
		return nil, err
	}
	return append(sh.offsets.DeleteAll(id), runtime.Record{Key: g.Tombstone()}), nil
}

func distinct(list []string) []string {
	seen := make(map[string]struct{}, len(list))
	out := make([]string, 0, len(list))
	for _, s := range list {
		if _, dup := seen[s]; !dup {
			seen[s] = struct{}{}
			out = append(out, s)
		}
	}
	return out
}
