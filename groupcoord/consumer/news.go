package consumer

// tellAll is the size of a group up to which all members hear at once that there
// is a new assignment. In a larger one those hear of it first whose part of it is
// a new one; the group itself is in the news, so that the others can be told
// together and not too often.
const tellAll = 1000

// newsOf is a member whose next heartbeat would be answered with something new.
type newsOf struct {
	group  string
	member *Member // nil: all that are behind
}

// tell puts a member into the news.
func (g *Group) tell(m *Member) {
	if m.told {
		return
	}
	m.told = true
	g.home.news = append(g.home.news, newsOf{g.ID, m})
}

// released tells the member of this id that a partition it waits for is free.
func (g *Group) released(id string) {
	m := g.members[id]
	if m == nil {
		return
	}
	m.settled = false
	if m.State == MemberUnreleased {
		g.tell(m)
	}
}

// HasNews tells whether TakeNews has something to tell.
func (gs *Groups) HasNews() bool { return len(gs.news) > 0 }

// Behind tells whether a heartbeat of the member would be answered with something
// new, as far as its epoch tells; one that is no member is told that.
func (gs *Groups) Behind(group, member string) bool {
	g := gs.byID[group]
	if g == nil || g.members[member] == nil {
		return true
	}
	m := g.members[member]
	return m.Epoch < g.assignmentEpoch && m.State != MemberUnrevoked
}

// TakeNews calls f with every member whose heartbeat would be answered otherwise
// than before, since the last call: also those that are no members any more. An
// empty member is all of the group that are Behind.
func (gs *Groups) TakeNews(f func(group, member string)) {
	for i := range gs.news {
		n := &gs.news[i]
		if n.member == nil {
			f(n.group, "")
		} else {
			n.member.told = false
			f(n.group, n.member.ID)
		}
		*n = newsOf{}
	}
	gs.news = gs.news[:0]
}
