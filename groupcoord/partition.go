package groupcoord

import "unicode/utf16"

// PartitionFor is the partition of __consumer_offsets, out of count, that keeps
// the group: the hash of Java's String.hashCode, its absolute value as Kafka
// takes it (the least integer counts as 0), modulo count. Every broker and many
// clients rely on it, and it can never change. It is 0 when count is not positive.
func PartitionFor(group string, count int32) int32 {
	if count <= 0 {
		return 0
	}
	h := javaHash(group)
	if h == -1<<31 {
		return 0
	}
	if h < 0 {
		h = -h
	}
	return h % count
}

// javaHash is String.hashCode: over UTF-16 code units, not bytes.
func javaHash(s string) int32 {
	var h int32
	for _, r := range s {
		if r < 0x10000 {
			h = 31*h + int32(r)
			continue
		}
		hi, lo := utf16.EncodeRune(r)
		h = 31*(31*h+int32(hi)) + int32(lo)
	}
	return h
}
