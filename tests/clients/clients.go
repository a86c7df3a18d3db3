// Package clients installs the client libraries that people use and runs the
// same round trip through each of them.
//
// The round trip, for every codec: produce count records with acks=all to the
// topic clients-NAME-CODEC (three partitions, made by the caller); a first
// consumer of group-NAME-CODEC reads at least two fifths of them, commits what
// it has read and leaves; a second one resumes from the commit, reads to the
// end and commits. Record i has key "k"+(i mod 1000), value "i:" twelve times
// and one header seq="i". The sum is that of the CRC-32 of key, value and
// header over all records that either consumer got: order does not matter, but
// a lost, repeated or changed record shows. Every program prints one line a
// codec; Parse reads it.
//
// Everything is installed below the cache folder with pinned versions; a tool
// that is not on the machine is a Missing error, which callers count as a skip.
package clients

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Codecs are the compression types that every client must manage.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Missing is a tool that is not on this machine, with what is skipped for it.
type Missing struct{ Tool, Why string }

func (m Missing) Error() string { return m.Tool + " is missing: " + m.Why }

// Result is what a client reports for one codec.
type Result struct {
	Codec                       string
	Produced, Consumed, Resumed int64
	Sum                         uint64
}

// Check compares the result with what count records must give.
func (r Result) Check(count int) error {
	first := int64(count * 2 / 5)
	switch {
	case r.Produced != int64(count) || r.Consumed+r.Resumed != int64(count):
		return fmt.Errorf("%d produced, %d consumed, %d after resuming; want %d in all", r.Produced, r.Consumed, r.Resumed, count)
	case r.Consumed < first:
		return fmt.Errorf("the first consumer got %d, fewer than the %d it waits for", r.Consumed, first)
	case r.Sum != Sum(count):
		return fmt.Errorf("checksum %d, want %d: a record was lost, repeated or changed", r.Sum, Sum(count))
	}
	return nil
}

// Record returns key, value and header of record i.
func Record(i int) (key, value, seq []byte) {
	n := strconv.Itoa(i)
	return []byte("k" + strconv.Itoa(i%1000)), []byte(strings.Repeat(n+":", 12)), []byte(n)
}

// RecordSum is one record's part of the sum.
func RecordSum(key, value, seq []byte) uint64 {
	c := crc32.ChecksumIEEE(key)
	c = crc32.Update(c, crc32.IEEETable, value)
	return uint64(crc32.Update(c, crc32.IEEETable, seq))
}

// Sum is the checksum of the records 0 … count-1.
func Sum(count int) (sum uint64) {
	for i := range count {
		sum += RecordSum(Record(i))
	}
	return sum
}

// Parse reads a client's output: its result lines, by codec.
func Parse(out string) (map[string]Result, error) {
	res := map[string]Result{}
	for sc := bufio.NewScanner(strings.NewReader(out)); sc.Scan(); {
		if !strings.HasPrefix(sc.Text(), "codec=") {
			continue
		}
		var r Result
		if _, err := fmt.Sscanf(sc.Text(), "codec=%s produced=%d consumed=%d resumed=%d sum=%d", &r.Codec, &r.Produced, &r.Consumed, &r.Resumed, &r.Sum); err != nil {
			return nil, fmt.Errorf("line %q: %w", sc.Text(), err)
		}
		res[r.Codec] = r
	}
	return res, nil
}
