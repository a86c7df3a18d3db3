// Package decide holds what the active controller decides, one file a command.
//
//	func Command(env *Env, request) (Decision, error)
//
// A command looks at an image and says which records to append and what to
// answer once they are committed. It changes nothing: the records take effect
// by being replayed into the image, here and on every other node alike. What
// is only known to the active controller, when a broker was last heard of for
// instance, is in Liveness; a decision names its effect on it and the caller
// carries that out together with the records.
//
// An error is the answer to the whole request and comes with no records. Codes
// and texts are those of Apache Kafka for the same mistake.
//
// Invariants:
//   - Deciding twice with the same Env gives the same records.
//   - The records replay onto env.Image without an error.
//   - A request, however bad, never makes a command panic or exceed MaxRecords.
//
// The package is pure: time, randomness and configuration are arguments.
package decide
