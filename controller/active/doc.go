// Package active follows the metadata log on every node and, on the one that
// leads the quorum, decides what is appended to it.
//
// # Following
//
//	raftio ──Committed, LoadSnapshot──▶ loop ──replay──▶ image ──▶ publishers
//
// Committed batches are replayed into the next image. Records between
// BeginTransaction and EndTransaction are kept back until the end, so that
// nobody sees half of a transaction; AbortTransaction drops them.
//
// # Leading
//
//	request ─▶ loop: decide(pending image) ─▶ records ─▶ replay into a delta ─▶ append ─▶ pending image
//	                                                                              │
//	commit ─▶ loop: oldest pending becomes the committed image ─▶ publishers ─▶ parked replies
//
// The pending image holds everything appended so far, so decisions need not
// wait for commits and a hundred of them can be on their way. What was worked
// out once when it was appended is published when it is committed; nothing is
// decoded or replayed twice. Losing leadership drops the pending images and
// answers the parked requests with NOT_CONTROLLER: nothing has to be undone. A
// request that makes no records waits for the last record that its decision saw.
//
// A request may have an end of patience: it is answered REQUEST_TIMED_OUT when it
// was not taken up by then (nothing was done), or not committed (it may be yet).
// Between requests the active controller does its chores: it fences who is
// silent, gives leaders back to the preferred replicas, looks for unclean
// leaders where topics allow them, and shows that the log lives (NoOp).
//
// # Goroutines
//
// One loop owns all state (type core, which has no goroutine of its own and is
// driven by transcripts in tests); it makes the only chain of images there is.
// One publisher calls the publishers in order, then the replies that waited for
// what it published: whoever gets a reply finds the change in this node's image.
// A publisher must not wait for a request to this controller.
//
// # Invariants
//
//   - The committed image is exactly the committed prefix of the log, at a transaction boundary.
//   - While leading, replaying the log up to the last append gives the pending image.
//   - Every request is answered once.
//   - A record that does not replay is never appended.
package active
