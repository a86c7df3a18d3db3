package raftio

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// errRecords marks batches that no quorum would write.
var errRecords = errors.New("bad metadata batch")

// maxBatch bounds a batch in memory. Kafka writes batches up to 8 MiB.
const maxBatch = 64 << 20

// encodeControl makes the control batch of an entry. now is in ms.
func encodeControl(e *raft.Entry, now int64) ([]byte, error) {
	b := batch.NewBuilder(batch.Options{BaseOffset: e.Base, LeaderEpoch: e.Epoch, Control: true})
	appendControls(b, e.Control, now)
	v, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode control records: %w", err)
	}
	return v, nil
}

func appendControls(b *batch.Builder, c *raft.Control, now int64) {
	if lc := c.LeaderChange; lc != nil {
		m := &batch.LeaderChange{LeaderID: lc.Leader}
		for _, id := range lc.Voters {
			m.Voters = append(m.Voters, batch.Voter{VoterID: id})
		}
		for _, id := range lc.Granting {
			m.GrantingVoters = append(m.GrantingVoters, batch.Voter{VoterID: id})
		}
		b.AppendControl(now, batch.ControlLeaderChange, m.AppendTo(nil, 0))
	}
	if c.KRaftVersion != nil {
		m := &batch.KRaftVersion{KRaftVersion: *c.KRaftVersion}
		b.AppendControl(now, batch.ControlKRaftVersion, m.AppendTo(nil, 0))
	}
	if c.Voters != nil {
		b.AppendControl(now, batch.ControlKRaftVoters, votersRecord(*c.Voters).AppendTo(nil, 0))
	}
}

func votersRecord(set raft.VoterSet) *batch.Voters {
	m := &batch.Voters{}
	for _, v := range set.Voters() {
		info := batch.VoterInfo{VoterID: v.Key.ID, VoterDirectoryID: v.Key.Directory}
		for _, e := range v.Endpoints {
			info.Endpoints = append(info.Endpoints, batch.VoterEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
		}
		info.KRaftVersionFeature = batch.VersionRange{MinSupportedVersion: v.MinKRaft, MaxSupportedVersion: v.MaxKRaft}
		m.Voters = append(m.Voters, info)
	}
	return m
}

func voterSet(m *batch.Voters) (raft.VoterSet, error) {
	var vs []raft.Voter
	for _, i := range m.Voters {
		v := raft.Voter{Key: raft.ReplicaKey{ID: i.VoterID, Directory: i.VoterDirectoryID},
			MinKRaft: i.KRaftVersionFeature.MinSupportedVersion, MaxKRaft: i.KRaftVersionFeature.MaxSupportedVersion}
		for _, e := range i.Endpoints {
			v.Endpoints = append(v.Endpoints, raft.Endpoint{Name: e.Name, Host: e.Host, Port: e.Port})
		}
		vs = append(vs, v)
	}
	return raft.NewVoterSet(vs...)
}

// controls is what a control batch says, with the offset of each record as the core
// counts them. Snapshot headers and footers, which stand in snapshots only, are noted too.
type controls struct {
	raft.Control
	votersAt, kraftAt ids.Offset
	header            *batch.SnapshotHeader
	footer            bool
}

// parseControl reads a control batch. Types it does not know are skipped, as a
// newer leader may write them.
func parseControl(v batch.View) (controls, error) {
	var out controls
	recs, err := v.Records(nil, maxBatch)
	if err != nil {
		return out, err
	}
	for i := range recs {
		if err := out.add(&recs[i]); err != nil {
			return out, fmt.Errorf("%w: offset %d: %w", errRecords, recs[i].Offset, err)
		}
	}
	return out, nil
}

func (c *controls) add(r *batch.Record) error {
	t, err := batch.ControlTypeOf(r.Key)
	if err != nil || batch.NewControlMessage(t) == nil {
		return err
	}
	msg, err := batch.ParseControlMessage(t, r.Value)
	if err != nil {
		return err
	}
	switch m := msg.(type) {
	case *batch.LeaderChange:
		c.LeaderChange = &raft.LeaderChange{Leader: m.LeaderID}
	case *batch.KRaftVersion:
		c.KRaftVersion, c.kraftAt = &m.KRaftVersion, r.Offset
	case *batch.Voters:
		set, err := voterSet(m)
		if err != nil {
			return err
		}
		c.Voters, c.votersAt = &set, r.Offset
	case *batch.SnapshotHeader:
		c.header = m
	case *batch.SnapshotFooter:
		c.footer = true
	}
	return nil
}

// parseEntries takes fetched bytes apart. Every batch is checked as far as its CRC; an
// incomplete one at the end is left for the next fetch.
func parseEntries(data []byte) ([]raft.Entry, error) {
	var out []raft.Entry
	for len(data) > 0 {
		v, rest, err := batch.Next(data)
		if errors.Is(err, batch.ErrIncomplete) {
			return out, nil
		}
		if err == nil {
			err = v.Check()
		}
		if err == nil {
			err = v.VerifyCRC()
		}
		if err != nil {
			return out, err
		}
		e := raft.Entry{Base: v.BaseOffset(), Last: v.LastOffset(), Epoch: v.LeaderEpoch(), Data: v}
		if v.IsControl() {
			c, err := parseControl(v)
			if err != nil {
				return out, err
			}
			e.Control = c.forEntry()
		}
		out, data = append(out, e), rest
	}
	return out, nil
}

// forEntry gives the core the control records if there are any it has to know.
func (c *controls) forEntry() *raft.Control {
	if c.LeaderChange == nil && c.KRaftVersion == nil && c.Voters == nil {
		return nil
	}
	ctl := c.Control
	ctl.KRaftAt, ctl.VotersAt = c.kraftAt, c.votersAt
	return &ctl
}

// parseRecords reads the metadata records of a data batch; they alias the batch
// unless it is compressed.
func parseRecords(v batch.View) (CommittedBatch, error) {
	out := CommittedBatch{BaseOffset: v.BaseOffset(), LastOffset: v.LastOffset(), Epoch: v.LeaderEpoch(), AppendTime: v.MaxTimestamp(), Bytes: v.Len()}
	if v.Codec() != batch.None {
		recs, err := v.Records(nil, maxBatch)
		for i := range recs {
			out.Records = append(out.Records, recs[i].Value)
		}
		return out, err
	}
	// What is not compressed is not copied either: the values alias the batch,
	// whose count Iterate has compared with its size.
	it, err := v.Iterate(maxBatch)
	if err != nil {
		return out, err
	}
	defer it.Release()
	out.Records = make([][]byte, 0, v.Count())
	for r := (batch.Record{}); it.Next(&r); {
		out.Records = append(out.Records, r.Value)
	}
	return out, it.Err()
}

// encodeRecords makes the data batch of one Append.
func encodeRecords(base ids.Offset, epoch ids.LeaderEpoch, recs [][]byte, now int64) ([]byte, error) {
	b := batch.NewBuilder(batch.Options{BaseOffset: base, LeaderEpoch: epoch})
	for _, r := range recs {
		b.Append(now, nil, r, nil)
	}
	v, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode metadata records: %w", err)
	}
	return v, nil
}
