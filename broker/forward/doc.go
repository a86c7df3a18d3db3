// Package forward is the broker's way to the active controller.
//
//	raft says who leads ──SetLeader──▶ Client ──dial──▶ one connection to the leader, its versions asked first (Negotiate)
//	                                     │ Do: the broker's own requests (registration, heartbeats, AllocateProducerIds)
//	                                     │ Forward, ForwardAs: a client's request, wrapped in an Envelope (KIP-590)
//	ProducerIDs, TopicCreator ───────────┘
//
// A request is repeated, to whoever leads then, when the connection breaks or
// the answer is NOT_CONTROLLER, until its context ends. That is safe because the
// controller decides each of these requests by state and not by count: a topic
// created twice exists once.
//
// Invariants:
//   - At most one connection is open, to the leader that was known when it was
//     dialled; a new leader replaces it.
//   - Nothing waits by polling: a request that finds no leader sleeps until
//     SetLeader, its context's end or Close.
//   - No method blocks a connection's read goroutine: Forward and the
//     non-blocking halves of ProducerIDs and TopicCreator answer by callback.
package forward
