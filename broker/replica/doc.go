// Package replica holds the partitions that live on this broker: it follows
// the metadata image, opens logs when they are first used, appends for leaders
// and reads for consumers.
//
//	image ─▶ Manager.Apply ─▶ Partition.assign ─▶ core (pure: who leads, ISR, high watermark)
//	Produce ─▶ Partition.Append ─▶ partlog ─▶ core: high watermark ─▶ done callbacks ─▶ waiting fetches
//	Fetch ─▶ Partition.Read ─▶ partlog (no lock of this package)
//
// # Invariants
//
//   - log start ≤ last stable offset ≤ high watermark ≤ log end.
//   - The high watermark never falls while a leader epoch lasts, and never
//     passes the end of any replica in the ISR.
//   - An append is done exactly once, and with acks=-1 only when the high
//     watermark has passed it.
//   - A partition costs no file, no goroutine and no timer until it is used.
//   - A partition whose directory failed answers ErrOffline until the process ends.
//   - A partition moves to another directory without refusing anybody: the logs
//     change places under Partition.mu, and the old one stays readable for a while.
//
// # Locks
//
// Manager.mu guards the maps and is held only to look up. Partition.mu orders
// appends, role changes and the high watermark; it is held while the log is
// written. Readers take neither: they see the role, the high watermark and the
// last stable offset through atomics. Callbacks run without any lock.
package replica
