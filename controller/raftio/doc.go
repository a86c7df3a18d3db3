// Package raftio is one replica of the metadata quorum: it drives controller/raft
// over a disk (storage/partlog, quorum-state, snapshots) and a network.
//
// # The turn
//
// Everything the core is fed with, requests, replies, appends and time, goes
// through one goroutine, in turns:
//
//	Append ─▶ pending ┐
//	Handle ─▶ inbox ──┼─▶ core ─▶ Ready: quorum-state ─▶ log write ─▶ send ─▶ log flush ─▶ send ─▶ Advance
//	clock ────────────┘                                             (may go now)     (after flush)
//
// While a turn waits for its flush, what arrives queues up; the next turn takes all
// of it with one write and one flush (group commit). A turn is a plain method of
// driver, which the simulation calls on a file system in memory; Node is the thin shell with
// the goroutines.
//
// A second goroutine, the applier, reads what is committed back from the log
// and gives it to the Listener, so that a slow listener never holds up the quorum.
//
// # Files
//
//	__cluster_metadata-0/
//	  quorum-state                                 who was voted for, epoch, leader (JSON, replaced atomically)
//	  <offset>.log .index .timeindex               partlog's segments
//	  leader-epoch-checkpoint, partition.metadata
//	  high-watermark                               what is below was committed and on this disk (mark.go)
//	  <offset>-<epoch>.checkpoint                  a snapshot of all records below offset
//	  <offset>-<epoch>.checkpoint.part             one that is being written or downloaded
//
// # Invariants
//
//   - quorum-state, then the log, are on disk before a message that promises what they say.
//   - A snapshot appears under its name only when it is complete and on disk.
//   - The log is never cut below a position for which there is no snapshot.
//   - Offsets handed out by Append are those the core will assign: both happen
//     under Node.mu, and nothing else appends between a drain of pending and the next.
//   - Nothing below the mark is ever cut off at a start: damage there is an error that names
//     file and position. Whatever is read from the log is checked as far as its CRC first.
//   - A disk error ends the node: after a failed flush nothing on it can be
//     trusted by this process (Options.Failed), nor by the next: what is above the mark
//     is read from the disk itself at a start (partlog's recovery).
package raftio
