package consumer

// tellAll is the size of a group up to which all members hear at once that there
// is a new assignment. In a larger one those hear of it whose part of it is a new
// one; the others learn the epoch with their next heartbeat, so that one member
// that joins does not wake them all.
const tellAll = 1000

// newsOf is a member whose next heartbeat would be answered with something new.
type newsOf struct {
	group  string
	member *Member
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

// TakeNews calls f with every member whose heartbeat would be answered otherwise
// than before, since the last call: also those that are no members any more.
func (gs *Groups) TakeNews(f func(group, member string)) {
	for i := range gs.news {
		n := &gs.news[i]
		n.member.told = false
		f(n.group, n.member.ID)
		*n = newsOf{}
	}
	gs.news = gs.news[:0]
}
