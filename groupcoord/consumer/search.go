package consumer

import (
	"regexp"
	"slices"
)

// Search is the matching of a group's regular expressions against the names of all
// topics: in proportion to both, so with many topics it takes longer than the
// members of other groups may be kept waiting. A Decision asks for it, the shell
// runs it on any goroutine, and Found takes in what came of it.
//
// A group has one search at a time. What it is given does not change: the
// expressions are its own, an Image never does.
type Search struct {
	group *Group
	exprs []string
	image Image
	at    int64 // ms
	found [][]string
}

// Group is the id of the group that it is for.
func (s *Search) Group() string { return s.group.ID }

// Run matches. It asks stopped before each name, and gives up when told so; then
// it returns false, and there is nothing to be found.
func (s *Search) Run(stopped func() bool) bool {
	s.found = make([][]string, len(s.exprs))
	for i, expr := range s.exprs {
		names, whole := matches(expr, s.image, stopped)
		if !whole {
			return false
		}
		s.found[i] = names
	}
	return true
}

// matches are the topics whose whole name the expression matches, in order; false
// when it was stopped before it had seen them all.
func matches(expr string, img Image, stopped func() bool) (out []string, whole bool) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, true // it was checked when it came; a later version may have taken more
	}
	// A match of the whole begins at the beginning and is the longest there.
	re.Longest()
	whole = true
	img.Names(func(name string) bool {
		if whole = !stopped(); !whole {
			return false
		}
		if at := re.FindStringIndex(name); at != nil && at[0] == 0 && at[1] == len(name) {
			out = append(out, name)
		}
		return true
	})
	slices.Sort(out)
	return out, whole
}

// search begins to match all of the group's expressions against the topics that
// there are. While one runs there is no other: Found looks whether it has to be
// done again.
func (gs *Groups) search(g *Group, at Moment) Decision {
	if len(g.regexes) == 0 || g.searching != nil {
		return Decision{}
	}
	g.looked = at.Now
	g.searching = &Search{group: g, exprs: sortedKeys(g.regexes), image: at.Image, at: at.Now}
	return Decision{Search: g.searching}
}

// Found takes in what a search that ran to its end has found. Expressions that
// nobody subscribes to any more are left out, and so is a group that is gone, or
// was loaded anew.
func (gs *Groups) Found(s *Search, at Moment) Decision {
	g := s.group
	if gs.byID[g.ID] != g || g.searching != s {
		return Decision{}
	}
	g.searching = nil
	c := &change{gs: gs, g: g, at: at}
	after := map[string]*Set{}
	bump := false
	for i, re := range s.exprs {
		if g.regexes[re] == 0 {
			continue
		}
		r := Resolved{topics: gs.setOf(s.found[i]), version: s.image.Version(), at: s.at}
		old := nothing
		if was, ok := g.resolved[re]; ok {
			old = was.topics
		}
		if !old.equal(r.topics) {
			bump = true
			c.because("regular expression %s matches other topics", re)
		}
		after[re] = r.topics
		c.put(regexRecord(g.ID, re, r))
	}
	if len(after) == 0 {
		g.watchPatterns(at.Now) // others may have come
		return Decision{}
	}
	c.advanceMatched(after, bump)
	return c.decision() // whose records set the alarm of the next time
}
