// Package raft is the core of KRaft, Kafka's raft: pure, driven by Step, Tick,
// Ready and Advance, without goroutine, clock, disk or network. raftio is its
// driver; tests/sim drives it through faults.
//
// # What differs from textbook raft
//
// Followers pull. A Fetch carries where the follower's log ends, which is its
// acknowledgement, and is held by the leader until there is something to
// answer, so replication costs one round trip. There is no heartbeat but the
// fetch: a follower that gets no answers campaigns (fetch timeout), a leader
// that is not asked by a majority resigns (check-quorum). An elected leader
// sends BeginQuorumEpoch to tell voters whom to ask; a resigning one sends
// EndQuorumEpoch to say who should campaign first.
//
// # The flow
//
//	request, reply ─▶ Step ─┐
//	time ─▶ Tick ───────────┤─▶ role file ─▶ become*, log, messages ─▶ Ready ─▶ driver
//	records ─▶ Propose ─────┘                       ▲                             │
//	                                                └────────── Advance ◀─────────┘
//
// Driver: write what Ready says, send Send, flush, send SendSynced, Advance.
//
// # The death of a leader
//
// Silence is judged by the fetch timeout (2 s). A dead process on a living host shows
// itself sooner: its connections break, and its port refuses new ones. The
// driver dials once more when a connection breaks and tells the core by
// Unreachable{Refused}. Only a refusal counts: a connection that merely broke, a
// port that accepts, or no answer at all can be a restart, a full queue or
// the network, and the timeout judges.
//
// A follower that was refused campaigns after a few ms (follower.suspect), with a
// pre-vote, and what a voter must know to grant it is whether it has the leader
// itself, nothing else:
//
//   - A follower that the leader answered and that saw no refusal since refuses. One
//     node whose way to the leader alone is barred can therefore not depose it.
//   - A follower that was refused, too, grants to a log as long as its own. All that live see
//     the same death within a round trip, and the first to campaign waits for longer than that.
//   - A follower that has not noticed yet refuses, and thereby only delays: who lost
//     goes back to the leader, is refused there again and campaigns again, after
//     a backoff that grows (Core.electionBackoff), so that a barred node does not
//     disturb the others for ever.
//
// Nothing of this touches safety: a leader that lives after all is deposed by a higher epoch
// as by any election, and has no majority to commit with afterwards.
//
// # Roles and the transitions between them
//
//	Unattached   knows no leader it could fetch from
//	  → Unattached   a higher epoch without leader; a vote given
//	  → Prospective  election timeout (voters only)
//	  → Follower     a leader of this or a higher epoch is found
//	Prospective  asks for pre-votes in the current epoch (KIP-996)
//	  → Candidate    a majority would vote for it
//	  → Unattached   a higher epoch without leader; the pre-vote is lost and no leader is known
//	  → Follower     a leader is found; the pre-vote is lost and the former leader is known
//	  → Prospective  it votes for another candidate of its epoch
//	Candidate    voted for itself in a new epoch
//	  → Leader       a majority voted for it
//	  → Prospective  election timeout
//	  → Unattached   a higher epoch without leader
//	  → Follower     a leader of this or a higher epoch is found
//	Leader       appends and answers fetches
//	  → Resigned     asked to; check-quorum; it is not in the committed voter set; shutdown
//	  → Unattached   a higher epoch without leader
//	  → Follower     a leader of a higher epoch is found
//	Follower     fetches from a known leader
//	  → Prospective  fetch timeout (voters only)
//	  → Unattached   a higher epoch without leader
//	  → Follower     a leader of a higher epoch, or better endpoints of the same one
//	Resigned     was leader of this epoch, in this life or before a restart
//	  → Unattached   election timeout, into the next epoch; a higher epoch without leader
//	  → Prospective  at start, as the only voter: nobody else can lead
//	  → Follower     a leader of a higher epoch is found
//
// Voters are here also those who are none but whose vote others need (mayCampaign).
// The table of transitions.go is the same list, and a test compares them. Only
// the become* functions change the role. eventTable in events_test.go says, and
// checks, which event leads from which role to which.
//
// # Invariants
//
//   - Epochs and votes only go forward, and are on disk before any message tells of them.
//   - One leader an epoch: a node never leads in an epoch that it was in before a restart (KAFKA-10527).
//   - The high watermark is what a majority of the voters in force has on disk, and only moves
//     once that passes the start of the leader's own epoch (Raft §5.4.2).
//   - A follower never truncates below its high watermark.
//   - One voter change at a time: the next only when the last is committed, and
//     only by a leader that committed a record of its own epoch.
package raft
