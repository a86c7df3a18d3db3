package raftio

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// quorumStateFile holds the election state. Its format is version 0 as long as
// kraft.version is 0, version 1 (with the directory of who was voted for) afterwards:
//
//	{"clusterId":"","leaderId":1,"leaderEpoch":3,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}
//	{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}
const quorumStateFile = "quorum-state"

const maxQuorumState = 64 << 10

// errQuorumState says that the file cannot be read. A node that does not know how
// it voted must not start: it could vote twice.
var errQuorumState = errors.New("quorum-state is damaged")

type stateVoter struct {
	VoterID *int32 `json:"voterId"`
}

type stateV0 struct {
	ClusterID     *string       `json:"clusterId"`
	LeaderID      *int32        `json:"leaderId"`
	LeaderEpoch   *int32        `json:"leaderEpoch"`
	VotedID       *int32        `json:"votedId"`
	AppliedOffset *int64        `json:"appliedOffset"`
	CurrentVoters *[]stateVoter `json:"currentVoters"`
	DataVersion   *int16        `json:"data_version"`
}

type stateV1 struct {
	LeaderID         *int32  `json:"leaderId"`
	LeaderEpoch      *int32  `json:"leaderEpoch"`
	VotedID          *int32  `json:"votedId"`
	VotedDirectoryID *string `json:"votedDirectoryId"`
	DataVersion      *int16  `json:"data_version"`
}

// noElection is the state of a node that never took part in one.
var noElection = raft.HardState{Leader: ids.NoNode, Voted: raft.ReplicaKey{ID: ids.NoNode}}

// encodeQuorumState writes the format that belongs to the level of kraft.version.
func encodeQuorumState(h raft.HardState, kraft int16, voters raft.VoterSet) []byte {
	leader, epoch, voted := int32(h.Leader), int32(h.Epoch), int32(h.Voted.ID)
	var out any
	if kraft == 0 {
		cluster, applied, version, current := "", int64(0), int16(0), make([]stateVoter, 0, voters.Len())
		for _, v := range voters.Voters() {
			id := int32(v.Key.ID)
			current = append(current, stateVoter{&id})
		}
		out = stateV0{&cluster, &leader, &epoch, &voted, &applied, &current, &version}
	} else {
		dir, version := h.Voted.Directory.String(), int16(1)
		out = stateV1{&leader, &epoch, &voted, &dir, &version}
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err) // numbers and texts always encode
	}
	return b
}

// decodeQuorumState reads either version. Fields of neither are ignored.
func decodeQuorumState(b []byte) (raft.HardState, error) {
	var all struct {
		stateV0
		VotedDirectoryID *string `json:"votedDirectoryId"`
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return noElection, fmt.Errorf("%w: %w", errQuorumState, err)
	}
	if all.DataVersion == nil || *all.DataVersion < 0 || *all.DataVersion > 1 {
		return noElection, fmt.Errorf("%w: no data_version 0 or 1", errQuorumState)
	}
	if all.LeaderID == nil || all.LeaderEpoch == nil || all.VotedID == nil {
		return noElection, fmt.Errorf("%w: leaderId, leaderEpoch or votedId is missing", errQuorumState)
	}
	h := raft.HardState{Epoch: ids.LeaderEpoch(*all.LeaderEpoch), Leader: ids.NodeID(*all.LeaderID), Voted: raft.ReplicaKey{ID: ids.NodeID(*all.VotedID)}}
	if h.Epoch < 0 || h.Leader < ids.NoNode || h.Voted.ID < ids.NoNode {
		return noElection, fmt.Errorf("%w: epoch %d, leader %d, voted %d", errQuorumState, h.Epoch, h.Leader, h.Voted.ID)
	}
	if *all.DataVersion == 0 {
		return h, nil
	}
	if all.VotedDirectoryID == nil {
		return noElection, fmt.Errorf("%w: votedDirectoryId is missing", errQuorumState)
	}
	dir, err := ids.ParseUUID(*all.VotedDirectoryID)
	if err != nil {
		return noElection, fmt.Errorf("%w: %w", errQuorumState, err)
	}
	h.Voted.Directory = ids.DirectoryID(dir)
	return h, nil
}

// loadElection reads quorum-state and makes sure that what was read is what
// a power cut would leave: a process that was killed may have renamed the file without
// having flushed the folder.
func loadElection(fsys vfs.FS, dir string) (raft.HardState, error) {
	b, err := vfs.ReadFile(fsys, dir+"/"+quorumStateFile, maxQuorumState)
	if errors.Is(err, fs.ErrNotExist) {
		return noElection, nil
	}
	if err != nil {
		return noElection, fmt.Errorf("read the election state: %w", err)
	}
	h, err := decodeQuorumState(b)
	if err != nil {
		return h, fmt.Errorf("%s/%s: %w", dir, quorumStateFile, err)
	}
	return h, fsys.SyncDir(dir)
}

func saveElection(fsys vfs.FS, dir string, h raft.HardState, kraft int16, voters raft.VoterSet) error {
	if err := partlog.ReplaceFile(fsys, dir+"/"+quorumStateFile, encodeQuorumState(h, kraft, voters)); err != nil {
		return fmt.Errorf("write the election state: %w", err)
	}
	return nil
}
