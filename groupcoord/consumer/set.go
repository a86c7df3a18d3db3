package consumer

import (
	"slices"
	"strings"
)

// Set is a set of topic names, in order. It never changes; equal ones are mostly
// the same, because thousands of members subscribe to the same topics.
type Set struct {
	names  []string
	key    string
	groups int // that have a member with it
}

var nothing = &Set{}

// setOf is the set of the names, which may come in any order and more than once:
// the one that members have, if there is one.
func (gs *Groups) setOf(names []string) *Set {
	if len(names) == 0 {
		return nothing
	}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	key := strings.Join(sorted, "\x00") // no topic's name has it
	if s := gs.sets[key]; s != nil {
		return s
	}
	return &Set{names: sorted, key: key}
}

// keep makes a set the one that others share.
func (gs *Groups) keep(s *Set) {
	if s == nothing {
		return
	}
	s.groups++
	gs.sets[s.key] = s
}

// release ends a group's use of a set.
func (gs *Groups) release(s *Set) {
	if s == nothing {
		return
	}
	if s.groups--; s.groups == 0 && gs.sets[s.key] == s {
		delete(gs.sets, s.key)
	}
}

func (s *Set) equal(o *Set) bool { return s == o || s.key == o.key && slices.Equal(s.names, o.names) }

func (s *Set) has(name string) bool {
	_, ok := slices.BinarySearch(s.names, name)
	return ok
}
