// Package image holds the cluster's metadata as immutable values.
//
// An Image is everything the metadata log says up to one offset. It is never
// changed: a Delta is opened on it, committed records are replayed into the
// delta, and Apply makes the next image, which shares all that did not change.
//
//	records ──Replay──▶ Delta(base image) ──Apply──▶ next image
//	                      └── says what changed, for publishers
//
// Two images of different offsets may be read at the same time from any number
// of goroutines without a lock. Deltas belong to one goroutine, and so does
// Apply: copying a map touches a counter of the map it copies. A process
// therefore grows all its images from one chain on one goroutine.
//
// Invariants:
//   - An image reachable by anybody but its maker is never written again, nor is
//     anything it points to: slices and maps that accessors return are read-only.
//   - base.Write replayed onto an empty image gives an equal image (round trip).
//   - Replaying a log record by record, in any grouping into deltas, gives the
//     same image as replaying it in one delta.
//   - A snapshot is a delta too: whatever the base image has and the snapshot has
//     not is shown as removed.
//
// Replay refuses what cannot be (a partition of an unknown topic, say) with an
// error and never panics; a process that meets such a record must not go on.
//
// The package is pure: it reads no clock, starts no goroutine and does no IO.
package image
