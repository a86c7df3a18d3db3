package format

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// ParseVoters reads --initial-controllers: id@host:port:directory-id, comma
// separated, an IPv6 host in brackets. listener is the controller listener's name.
func ParseVoters(text, listener string) ([]raft.Voter, error) {
	var out []raft.Voter
	for _, s := range strings.Split(text, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		v, err := parseVoter(s, listener)
		if err != nil {
			return nil, fmt.Errorf("--initial-controllers %q: %w", s, err)
		}
		for _, other := range out {
			if other.Key.ID == v.Key.ID {
				return nil, fmt.Errorf("--initial-controllers: node id %d is given twice", v.Key.ID)
			}
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("--initial-controllers names no controller: write id@host:port:directory-id")
	}
	return out, nil
}

func parseVoter(s, listener string) (raft.Voter, error) {
	id, rest, ok := strings.Cut(s, "@")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 0 {
		return raft.Voter{}, fmt.Errorf("write id@host:port:directory-id")
	}
	n, err := strconv.ParseInt(id, 10, 32)
	if err != nil || n < 0 {
		return raft.Voter{}, fmt.Errorf("node id %q is not a number from 0 on", id)
	}
	host, port, err := net.SplitHostPort(rest[:colon])
	if err != nil {
		return raft.Voter{}, fmt.Errorf("write id@host:port:directory-id")
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return raft.Voter{}, fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	dir, err := ids.ParseUUID(rest[colon+1:])
	if err != nil {
		return raft.Voter{}, fmt.Errorf("directory id: %w", err)
	}
	return NewVoter(ids.NodeID(n), ids.DirectoryID(dir), raft.Endpoint{Name: listener, Host: host, Port: uint16(p)}), nil
}

// NewVoter is a voter that supports every kraft.version gregor knows.
func NewVoter(id ids.NodeID, dir ids.DirectoryID, e raft.Endpoint) raft.Voter {
	return raft.Voter{Key: raft.ReplicaKey{ID: id, Directory: dir}, Endpoints: []raft.Endpoint{e}, MinKRaft: 0, MaxKRaft: 1}
}

// Standalone is the voter set of a node that starts a quorum of its own.
func Standalone(id ids.NodeID, e raft.Endpoint, rnd io.Reader) ([]raft.Voter, error) {
	u, err := ids.RandomUUID(rnd)
	if err != nil {
		return nil, err
	}
	return []raft.Voter{NewVoter(id, ids.DirectoryID(u), e)}, nil
}
