package partlog

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// TestTimestamps: the bounds of message.timestamp.before.max.ms and after.max.ms
// count to the millisecond, and not where the broker stamps the records itself. A
// batch that claims an append time is refused there, as Kafka does; elsewhere it
// is taken, for one of records with that time of creation.
func TestTimestamps(t *testing.T) {
	claims := func(ts int64) batch.Options {
		return batch.Options{TimestampType: batch.LogAppendTime, LogAppendTime: ts}
	}
	for _, c := range []struct {
		name   string
		stamps bool // message.timestamp.type=LogAppendTime
		ts     int64
		o      batch.Options
		want   int64 // the batch's in the log
		err    error
	}{
		{name: "as early as may be", ts: testNow - 1000, want: testNow - 1000},
		{name: "a ms earlier", ts: testNow - 1001, err: ErrInvalidTimestamp},
		{name: "as late as may be", ts: testNow + 2000, want: testNow + 2000},
		{name: "a ms later", ts: testNow + 2001, err: ErrInvalidTimestamp},
		{name: "none", ts: batch.NoTimestamp, want: batch.NoTimestamp},
		{name: "stamped, early", stamps: true, ts: 5, want: testNow},
		{name: "stamped, late", stamps: true, ts: testNow * 2, want: testNow},
		{name: "stamped, none", stamps: true, ts: batch.NoTimestamp, want: testNow},
		{name: "stamped, a client's append time", stamps: true, o: claims(testNow), err: ErrInvalidTimestamp},
		{name: "a client's append time", o: claims(testNow - 5), want: testNow - 5},
		{name: "one out of bounds", o: claims(testNow - 1001), err: ErrInvalidTimestamp},
		{name: "one that is none", o: claims(batch.NoTimestamp), err: ErrInvalidTimestamp},
	} {
		for _, recompress := range []bool{false, true} {
			cfg := DefaultConfig()
			cfg.TimestampBeforeMaxMs, cfg.TimestampAfterMaxMs = 1000, 2000
			cfg.LogAppendTime, cfg.Recompress, cfg.Codec = c.stamps, recompress, batch.Lz4
			l := mustOpen(t, testOptions(vfs.NewMem(), testEnv(t), &cfg))
			info, err := l.AppendAsLeader(makeBatch(2, c.ts, 10, 1, c.o), 1, Client, testNow)
			if !errors.Is(err, c.err) || (err != nil) != (len(info.RecordErrors) == 2) {
				t.Errorf("%s, recompress %v: %v, %v", c.name, recompress, err, info.RecordErrors)
			}
			if err != nil {
				continue
			}
			v := batch.View(readAll(t, l, 0, 1<<20))
			if typ := v.TimestampType() == batch.LogAppendTime; typ != c.stamps || v.MaxTimestamp() != c.want {
				t.Errorf("%s, recompress %v: lies there with %d, append time %v; want %d", c.name, recompress, v.MaxTimestamp(), typ, c.want)
			}
		}
	}
}

// TestRecompressedIsMeasuredAgain: max.message.bytes bounds a batch as it is
// stored too, also where the topic's codec makes it larger than it came.
func TestRecompressedIsMeasuredAgain(t *testing.T) {
	b := batch.NewBuilder(batch.Options{Codec: batch.Zstd})
	b.Append(testNow, []byte("k"), bytes.Repeat([]byte("abc"), 1000), nil)
	v, err := b.Bytes()
	if err != nil || v.Len() > 500 {
		t.Fatal(v.Len(), err)
	}
	cfg := DefaultConfig()
	cfg.MaxMessageBytes, cfg.Recompress, cfg.Codec = 1000, true, batch.None
	l := mustOpen(t, testOptions(vfs.NewMem(), testEnv(t), &cfg))
	if _, err := l.AppendAsLeader(v, 1, Client, testNow); !errors.Is(err, ErrMessageTooLarge) || l.EndOffset() != 0 {
		t.Fatal(err, l.EndOffset())
	}
	altered := cfg
	altered.MaxMessageBytes = 4000
	l.SetConfig(&altered)
	if _, err := l.AppendAsLeader(v, 1, Client, testNow); err != nil {
		t.Fatal(err)
	}
}
