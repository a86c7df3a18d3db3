// Package lifecycle takes a broker into its cluster and out again: it registers
// with the controller, keeps the registration alive with heartbeats, asks to be
// unfenced when the broker's metadata has caught up, and hands over leadership
// before the broker stops.
//
//	Starting ──registered, image has the registration──▶ Recovery
//	Recovery ──image shows the broker unfenced─────────▶ Running
//	Running, Recovery ──Shutdown───────────────────────▶ Stopping ──controller lets go, or the deadline──▶ Stopped
//	any ──registration refused for good────────────────▶ Stopped (Failed says why)
//
// One goroutine owns the state. What happens elsewhere (a new image, a failed
// directory, Shutdown) is left in the mailbox under the lock and noticed by it:
// nothing is polled and nothing sleeps on the way up, so that a node is ready as
// soon as the controller has committed its registration and its unfencing.
//
// Invariants:
//   - Until the image contains the registration no heartbeat asks to be unfenced:
//     the broker would be led clients to before it knows its partitions.
//   - Channels close once, in the order Registered, CaughtUp, Unfenced.
//   - The epoch never changes within one incarnation.
package lifecycle
