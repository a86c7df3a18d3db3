// Package classic is the classic group protocol: members join, the coordinator
// picks a protocol they all support and a leader, the leader assigns, everybody
// syncs and heartbeats. It is pure: time and tickets come in, Effects go out.
//
// # States
//
//	Empty ──join──▶ PreparingRebalance ──all joined, or time──▶ CompletingRebalance ──assignment stored──▶ Stable
//	  ▲                    │   ▲  ▲                                     │                                  │
//	  └───nobody left──────┘   │  └──join, leave, expiry, sync timeout──┘                                  │
//	                           └──────────────join with news, leave, expiry────────────────────────────────┘
//
//	any ──deleted or unloaded──▶ Dead
//
// PreparingRebalance: JoinGroup requests are held until every known member has
// joined (the ones that fail to within the rebalance timeout are dropped), or, from
// Empty, until the initial delay has passed without another member joining.
// CompletingRebalance: SyncGroup requests are held until the leader's assignment is
// committed to the log. Only then the group is Stable.
//
// # What is kept where
//
// A group's record is written when it is made, when an assignment is stored, when a
// static member is replaced and when the group becomes empty: that much survives a
// change of coordinators. Everything else is in memory only, and members find their
// way back by the errors they get. A call that has a record to write returns it as
// Effects.Write, and goes on in Written once that is committed or failed.
//
// # Invariants
//
//   - awaiting == number of members with a held join.
//   - supported[p] == number of members that support protocol p.
//   - leader is "" or a member; instances maps each static member's instance to it.
//   - A member with a held join or sync does not expire, unless it is new.
//   - A ticket is answered once.
package classic
