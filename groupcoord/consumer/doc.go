// Package consumer is the consumer group protocol of KIP-848: members tell what
// they want to read with a heartbeat, the coordinator assigns, and every member
// walks at its own pace from what it has to what it shall have. It is pure: time,
// topics and requests come in, records and replies go out, and only Replay
// changes what is kept.
//
// # Three epochs
//
//	group epoch       grows when members, subscriptions or topics change
//	assignment epoch  the group epoch that the target assignment was made for
//	member epoch      the assignment epoch that a member has reached
//
//	a change ──▶ group epoch + 1 ──▶ target assignment ──▶ each member, by its heartbeats:
//
//	           target is new                       everything revoked
//	  Stable ────────────────▶ Unrevoked (old epoch) ────────────────▶ Unreleased (new epoch) ──▶ Stable
//	     └───────────────nothing to revoke───────────────────────────────────▲   others gave up their partitions
//
// A member that has to give partitions up stays in its epoch until it says that
// it has; then it goes to the new one and gets what is free. What others still
// have it waits for.
//
// # Classic members
//
// A group may hold members that speak the classic protocol (classicmembers.go).
// For them the member epoch is the generation, and what a heartbeat does for the
// others a JoinGroup does for them. migrate.go turns groups of the one kind into
// the other.
//
// # Invariants
//
//   - The state is the replay of the group's records, at any point of the log;
//     what is kept beside it (alarms, reasons, caches) changes no answer's truth.
//   - parts[p].owner is the one member that has p assigned or has not given it up
//     yet: while it is not nil nobody else gets p. A partition that a member has
//     still to revoke can only go back to that member (KAFKA-16147).
//   - A member epoch never exceeds the assignment epoch, and that never the group epoch.
//   - reconciled counts the members that are Stable in the assignment epoch.
//   - A heartbeat without news costs O(1) and allocates nothing.
package consumer
