package compact

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// benchInput fills a log with records of 1 KiB, a tenth of the keys distinct, in
// batches of 16, and closes it: 64 MiB before compression.
func benchInput(b *testing.B, dir string, codec batch.Codec) (partlog.Options, int64) {
	cfg := partlog.DefaultConfig()
	cfg.Compact, cfg.Delete, cfg.SegmentBytes = true, false, 16<<20
	o := partlog.Options{FS: vfs.OS, Dir: dir, TP: ids.TopicPartition{Topic: "t"}, TopicID: ids.TopicID{1}, Config: &cfg, CleanShutdown: true,
		Env: &partlog.Env{Clock: func() int64 { return start }, ProducerExpirationMs: 1 << 50}}
	l, err := partlog.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	const records, each = 1 << 16, 16
	value := make([]byte, 1000)
	for range records / each {
		bl := batch.NewBuilder(batch.Options{Codec: codec})
		for range each {
			for i := range value {
				value[i] = "0123456789abcdef"[r.IntN(16)]
			}
			bl.Append(start, fmt.Appendf(nil, "key-%019d", r.IntN(records/10)), value, nil)
		}
		v, err := bl.Bytes()
		if err == nil {
			_, err = l.AppendAsLeader(v, 1, partlog.Client, start)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Roll(); err != nil {
		b.Fatal(err)
	}
	o.RecoveryPoint = l.EndOffset()
	size := l.Size()
	if err := l.Close(true); err != nil {
		b.Fatal(err)
	}
	return o, size
}

// copyDir copies the segments of a closed log.
func copyDir(b *testing.B, from, to string) {
	names, err := vfs.OS.ReadDir(from)
	if err == nil {
		err = vfs.OS.MkdirAll(to)
	}
	for _, e := range names {
		var data []byte
		if data, err = vfs.ReadFile(vfs.OS, from+"/"+e.Name, 1<<30); err != nil {
			break
		}
		var f vfs.File
		if f, err = vfs.OS.OpenFile(to+"/"+e.Name, 0o102); err != nil {
			break
		}
		if _, err = f.WriteAt(data, 0); err != nil {
			break
		}
		f.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkClean is a first cleaning, one core: MB/s of log read. Kafka's
// LogCleaner on the same folder says the same in its log ("cleaned log … MB/sec").
func BenchmarkClean(b *testing.B) {
	for _, codec := range []batch.Codec{batch.None, batch.Lz4, batch.Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			o, size := benchInput(b, b.TempDir()+"/in", codec)
			from := o.Dir
			b.SetBytes(size)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				o.Dir = fmt.Sprintf("%s/../out%d", from, i)
				copyDir(b, from, o.Dir)
				l, err := partlog.Open(o)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				st, err := Clean(l, Options{Stable: l.EndOffset(), Now: start})
				b.StopTimer()
				if err != nil || st.Records > st.RecordsRead/5 {
					b.Fatal(st, err)
				}
				if err := l.Delete(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
