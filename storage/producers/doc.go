// Package producers is the producer state of one partition: what idempotent
// and transactional producers wrote last, so that a batch sent twice is stored
// once and a transaction's end is known (KIP-98, KIP-360, KIP-890).
//
// The flow of an append on the leader: Check judges a batch against the state
// without changing it (duplicate, out of order, fenced …); the caller writes the
// batch; Apply enters it. Recovery and followers only Apply.
//
// What holds:
//   - a producer's last five data batches of its current epoch are remembered;
//     one with exactly the sequence range of such a batch is a duplicate;
//   - the next batch begins with the sequence after the last one; sequences go
//     from 2^31−1 to 0; a new epoch begins with sequence 0;
//   - a transaction is open from its first data batch to its marker; the last
//     stable offset is the first offset of the oldest transaction that is open or
//     whose marker is not yet below the high watermark;
//   - the state is a function of the batches in the log up to End, expiry aside.
//
// It is pure: no file, no lock, no clock. Encode and Parse are the contents of
// a <offset>.snapshot file, the state in front of that offset:
//
//	version=1: int16 | crc32c of what follows: uint32 | count: int32 |
//	count × { producer id: int64 | epoch: int16 | last sequence: int32 | last offset: int64 | offset delta: int32 |
//	          timestamp: int64 | coordinator epoch: int32 | first offset of the open transaction or −1: int64 }
//
// Only the newest of the five batches is in it: after a restart from a
// snapshot a duplicate of an older one is out of order, as with Kafka.
package producers
