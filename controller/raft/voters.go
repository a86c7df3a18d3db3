package raft

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Endpoint is where a voter's listener is reached.
type Endpoint struct {
	Name string // of the listener, upper case by convention
	Host string
	Port uint16
}

// ReplicaKey names a replica. The directory tells a voter from another one that
// came back under the same node id with an empty disk (KIP-853); it is zero
// where it is not known: static voters and old requests.
type ReplicaKey struct {
	ID        ids.NodeID
	Directory ids.DirectoryID
}

func (k ReplicaKey) String() string {
	if k.Directory.IsZero() {
		return fmt.Sprintf("%d", k.ID)
	}
	return fmt.Sprintf("%d@%s", k.ID, k.Directory)
}

// Voter is one member of a voter set.
type Voter struct {
	Key       ReplicaKey
	Endpoints []Endpoint
	// MinKRaft and MaxKRaft are the levels of kraft.version the voter supports.
	MinKRaft, MaxKRaft int16
}

// VoterSet is an immutable set of voters, ordered by node id.
type VoterSet struct{ voters []Voter }

// NewVoterSet makes a set; a node id must not occur twice.
func NewVoterSet(voters ...Voter) (VoterSet, error) {
	vs := slices.Clone(voters)
	slices.SortFunc(vs, func(a, b Voter) int { return int(a.Key.ID) - int(b.Key.ID) })
	for i := 1; i < len(vs); i++ {
		if vs[i].Key.ID == vs[i-1].Key.ID {
			return VoterSet{}, fmt.Errorf("voter set: node id %d occurs twice", vs[i].Key.ID)
		}
	}
	return VoterSet{vs}, nil
}

// Voters lists the members by ascending id; the caller must not change it.
func (s VoterSet) Voters() []Voter { return s.voters }

// Len is the number of voters.
func (s VoterSet) Len() int { return len(s.voters) }

// Majority is the least number of voters that decides.
func (s VoterSet) Majority() int { return len(s.voters)/2 + 1 }

// Get finds a voter by its node id.
func (s VoterSet) Get(id ids.NodeID) (Voter, bool) {
	i := slices.IndexFunc(s.voters, func(v Voter) bool { return v.Key.ID == id })
	if i < 0 {
		return Voter{}, false
	}
	return s.voters[i], true
}

// Contains tells whether key is a voter. A member without a directory id (a
// static voter) is matched by its node id alone, whatever directory it has now.
func (s VoterSet) Contains(key ReplicaKey) bool {
	v, ok := s.Get(key.ID)
	return ok && (v.Key.Directory.IsZero() || v.Key.Directory == key.Directory)
}

// With returns the set with v added or, when its node id is in it, replaced.
func (s VoterSet) With(v Voter) VoterSet {
	out := s.Without(v.Key.ID).voters
	set, _ := NewVoterSet(append(out, v)...)
	return set
}

// Without returns the set without the voter of that node id.
func (s VoterSet) Without(id ids.NodeID) VoterSet {
	out := make([]Voter, 0, len(s.voters)+1)
	for _, v := range s.voters {
		if v.Key.ID != id {
			out = append(out, v)
		}
	}
	return VoterSet{out}
}

// Equal compares members, endpoints and supported versions.
func (s VoterSet) Equal(o VoterSet) bool {
	return slices.EqualFunc(s.voters, o.voters, func(a, b Voter) bool {
		return a.Key == b.Key && a.MinKRaft == b.MinKRaft && a.MaxKRaft == b.MaxKRaft && slices.Equal(a.Endpoints, b.Endpoints)
	})
}

func (s VoterSet) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, v := range s.voters {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(v.Key.String())
	}
	b.WriteByte(']')
	return b.String()
}
