// Package segment is one segment of a partition's log: the batches from its
// base offset up to that of the next segment, and the indexes over them. All
// files are Kafka's, byte for byte; <base> is the base offset with 20 digits.
//
//	<base>.log        record batches v2, one after another
//	<base>.index      8-byte entries:  [last offset of a batch − base: int32][position of the batch: int32]
//	<base>.timeindex  12-byte entries: [largest timestamp so far: int64][last offset of its batch − base: int32]
//	<base>.txnindex   34-byte entries: [version=0: int16][producer id: int64][first: int64][last: int64][last stable: int64]
//
// All numbers are big-endian. An offset entry is added in front of the first
// batch that begins more than index.interval.bytes after the batch of the
// entry before it; a time entry goes with it when the largest timestamp grew.
// On roll and close one more time entry carries the segment's largest
// timestamp, so that it can be known without reading the log.
//
// Kafka preallocates the two index files of the active segment to
// segment.index.bytes, maps them and trims them on roll and close. Here the
// indexes of a segment in use are kept in memory and appended to their files
// on flush, roll and close: the files hold entries only, never padding. Kafka
// reads such files (it grows them itself when it opens the segment as active),
// and this package reads Kafka's padded ones after a kill.
//
// What holds:
//   - offsets in .index and positions grow strictly, timestamps and offsets in .timeindex too;
//   - the index is a hint: a missing or impossible one is rebuilt from the log;
//   - below the recovery point the log and its index entries are on disk; only
//     bytes above it are ever read and checked when a log is recovered.
//
// A Segment does no locking: partlog's locks serialise its use. Only File is
// shared with readers, and is reference-counted.
package segment
