package node

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
)

// quorum is who the first controllers of a cluster are.
type quorum struct {
	voters      []*Server
	directories []string // of the voters, where there are several
}

// NewQuorum makes the first controllers of a cluster, one of each software, with
// ids from first on. They are formatted, each with the address of all, and not
// started. Other nodes join by a Place that names one of them.
func NewQuorum(first int, static bool, extra map[string]string, software ...Software) ([]*Server, error) {
	places := make([]Place, len(software))
	for i := range places {
		places[i] = Place{ID: first + i, Roles: "controller", Static: static}
	}
	return NewQuorumAt(places, extra, software...)
}

// NewQuorumAt is NewQuorum with a place for each.
func NewQuorumAt(places []Place, extra map[string]string, software ...Software) ([]*Server, error) {
	q := &quorum{}
	for i, sw := range software {
		s, err := reserve(sw, places[i])
		if err != nil {
			return q.voters, err
		}
		s.first = q
		q.voters, q.directories = append(q.voters, s), append(q.directories, directoryID())
	}
	for _, s := range q.voters {
		if err := s.format(extra); err != nil {
			return q.voters, err
		}
	}
	return q.voters, nil
}

// directoryID draws an id as Kafka writes it. One that begins with '-' would be
// taken for an option where tools are given it.
func directoryID() string {
	for {
		var b [16]byte
		rand.Read(b[:])
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		if s := base64.RawURLEncoding.EncodeToString(b[:]); s[0] != '-' {
			return s
		}
	}
}

// voters are the arguments of format.
func (s *Server) voters() []string {
	switch {
	case s.place.Static || !s.place.controller():
		return nil
	case s.place.Joins:
		return []string{"--no-initial-controllers"}
	case len(s.first.voters) == 1:
		return []string{"--standalone"}
	}
	var list []string
	for i, v := range s.first.voters {
		list = append(list, fmt.Sprintf("%d@%s:%s", v.place.ID, v.Controller(), s.first.directories[i]))
	}
	return []string{"--initial-controllers", strings.Join(list, ",")}
}

// static is controller.quorum.voters.
func (q *quorum) static() string {
	var list []string
	for _, v := range q.voters {
		list = append(list, fmt.Sprintf("%d@%s", v.place.ID, v.Controller()))
	}
	return strings.Join(list, ",")
}

// bootstrap is controller.quorum.bootstrap.servers.
func (q *quorum) bootstrap() string {
	var list []string
	for _, v := range q.voters {
		list = append(list, v.Controller())
	}
	return strings.Join(list, ",")
}

// ID is the node's id.
func (s *Server) ID() int { return s.place.ID }
