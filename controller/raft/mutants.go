package raft

// Mutant names errors that can be switched on so that the simulation proves that
// it would find them. Each is one line of the core or the driver gone wrong, as it
// went wrong in some system before.
type Mutant uint32

// The bug museum.
const (
	// MutantSkipVoteSync: quorum-state is not flushed before the vote is answered (driver).
	MutantSkipVoteSync Mutant = 1 << iota
	// MutantSameEpochLeader: a leader resumes its epoch after a restart (KAFKA-10527).
	MutantSameEpochLeader
	// MutantCommitBeforeMajority: the high watermark is what the leader has.
	MutantCommitBeforeMajority
	// MutantNoCheckQuorum: a leader nobody fetches from stays leader.
	MutantNoCheckQuorum
	// MutantCommitOldEpoch: the high watermark passes records of former epochs by counting (Raft figure 8).
	MutantCommitOldEpoch
	// MutantOneShotTruncation: a follower truncates by offset alone and does not compare epochs again (before KIP-279).
	MutantOneShotTruncation
	// MutantOverlappingChanges: a voter change may begin before the last is committed.
	MutantOverlappingChanges
	// MutantPreVoteRaisesEpoch: asking for pre-votes raises the epoch (before KIP-996).
	MutantPreVoteRaisesEpoch
	// MutantAckBeforeSync: the log is not flushed before it is acknowledged (driver).
	MutantAckBeforeSync
	// MutantVoteTwice: a vote given in an epoch does not bind.
	MutantVoteTwice
	// MutantVoteForShortLog: a vote does not ask for an up-to-date log.
	MutantVoteForShortLog
	// MutantIgnoreDirectory: a voter that lost its disk counts as the voter it was (KAFKA-14205).
	MutantIgnoreDirectory
	// MutantTrustFailedSync: a node goes on after a failed flush of its log (fsyncgate; driver).
	MutantTrustFailedSync
	// MutantNoDirSync: quorum-state is renamed into place without a flush of the folder (driver).
	MutantNoDirSync
	// MutantTruncateToHW: who follows a new leader first drops what it does not know to be committed (before KIP-101).
	MutantTruncateToHW
)

func (c *Core) mutant(m Mutant) bool { return c.cfg.Mutants&m != 0 }
