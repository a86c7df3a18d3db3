// Package conn is the only network code of gregor: it listens, reads frames,
// calls handlers, writes their replies in request order, and dials.
//
// # One connection
//
//	reader goroutine                              whoever finishes a call
//	────────────────                              ───────────────────────
//	read frame → header → admission → Handle ──▶  Reply: encode, mark done
//	     ▲                                │                │
//	     └── next frame is read meanwhile │                │ head of the queue done?
//	                                      ▼                ▼
//	                         flush: writev / sendfile of every reply that is due
//
// A connection costs one goroutine and a peek buffer of 512 bytes while it is
// idle. Replies that are ready when Handle returns are written by the reader
// itself, which saves a goroutine switch. A small reply with regions that
// becomes ready later is written where it was made, as far as the socket takes
// it without waiting; everything else by a goroutine that lives only while there
// is something to write. Who finishes many calls at a time puts the replies down
// first (ReplyLater) and has them written after (Send): one write a connection.
//
// # Invariants
//
//   - Replies leave in the order of their requests, whatever order they are
//     made in. Nothing is written for a call without its predecessors.
//   - At most one goroutine writes at a time (Conn.writing).
//   - The reader is at most one frame ahead of what is handled. What may be
//     handled is decided by the class of the call before it (apikey.Class).
//   - Memory is claimed from the budget before a body is read, and a buffer
//     larger than firstGrant is only made when that many bytes have arrived, or
//     for a connection that has sent as many before (maxBelieved in all). A
//     call that waits for others holds none of it, but for a Produce.
//   - Every call is finished exactly once: Reply, ReplyRegions, NoReply or
//     Close; a connection's end finishes what is left and releases every
//     buffer and file region.
package conn
