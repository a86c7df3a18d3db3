package compact

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// trial is an open log on which a field of its configuration is tried.
type trial struct {
	t   *testing.T
	fs  *vfs.Mem
	set *logdir.Set
	l   *partlog.Log
	now int64
	n   int
}

func newTrial(t *testing.T, cfg *partlog.Config) *trial {
	w := &trial{t: t, fs: vfs.NewMem(), now: start}
	w.set = newSet(t, w.fs, func() int64 { return w.now })
	var err error
	w.l, _, err = w.set.OpenPartition(ids.TopicPartition{Topic: "t"}, ids.TopicID{1}, nil, cfg)
	w.must(err)
	return w
}

func (w *trial) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// send appends a batch of one record whose time is the clock's plus ahead.
func (w *trial) send(key []byte, ahead int64) error {
	b := batch.NewBuilder(batch.Options{})
	w.n++
	b.Append(w.now+ahead, key, bytes.Repeat(fmt.Appendf(nil, "value %d ", w.n%7), 40), nil)
	v, err := b.Bytes()
	w.must(err)
	_, err = w.l.AppendAsLeader(v, 1, partlog.Client, w.now)
	return err
}

// fill appends n batches with keys of their own.
func (w *trial) fill(n int) {
	w.t.Helper()
	for range n {
		w.must(w.send(fmt.Appendf(nil, "key %d", w.n), 0))
	}
}

// first is the first batch from an offset on, as it lies in the log.
func (w *trial) first(off ids.Offset) batch.View {
	w.t.Helper()
	s, err := w.l.Read(off, 1, w.l.EndOffset(), true)
	w.must(err)
	defer s.Release()
	v := make(batch.View, s.Len)
	_, err = s.ReadAt(v, 0)
	w.must(err)
	return v
}

// files counts those whose names end so, and their bytes.
func (w *trial) files(suffix string) (n int, size int64) {
	w.t.Helper()
	names, err := w.fs.ReadDir(w.l.Dir())
	w.must(err)
	for _, e := range names {
		if strings.HasSuffix(e.Name, suffix) {
			st, err := w.fs.Stat(w.l.Dir() + "/" + e.Name)
			w.must(err)
			n, size = n+1, size+st.Size
		}
	}
	return n, size
}

// segments after ten batches.
func (w *trial) segments() any {
	w.fill(10)
	return w.l.Segments()
}

// retained is where the log begins after retention.
func (w *trial) retained() any {
	for range 4 {
		w.fill(2)
		w.must(w.l.Roll())
	}
	w.now += 1000
	_, err := w.l.ApplyRetention(w.now, w.l.EndOffset())
	w.must(err)
	return w.l.FirstSegmentBase()
}

// flushed is how far the log is durable after a Tick.
func (w *trial) flushed() any {
	w.fill(3)
	w.now += 50
	w.must(w.l.Tick(w.now))
	return w.l.RecoveryPoint()
}

// refused tells whether a batch is.
func refused(key string, ahead int64) func(*trial) any {
	return func(w *trial) any {
		k := []byte(key)
		if key == "" {
			k = nil
		}
		return w.send(k, ahead) != nil
	}
}

// cleaned is how many bytes a round of the cleaner leaves of a log with few keys.
func (w *trial) cleaned() any {
	for i := range 40 {
		w.must(w.send(fmt.Appendf(nil, "%d", i%3), 0))
	}
	w.must(w.l.Roll())
	w.now += 100
	c := Cleaner{Set: w.set, Stable: func(ids.TopicPartition) (ids.Offset, bool) { return w.l.EndOffset(), true },
		Failed: func(_ ids.TopicPartition, err error) { w.t.Error(err) }}
	for c.Round(w.now, nil) {
	}
	return w.l.Size()
}

// buried is how many bytes are left when tombstones had a second to be seen.
func (w *trial) buried() any {
	b := batch.NewBuilder(batch.Options{})
	b.Append(w.now, []byte("gone"), nil, nil)
	v, err := b.Bytes()
	w.must(err)
	_, err = w.l.AppendAsLeader(v, 1, partlog.Client, w.now)
	w.must(err)
	for range 3 { // the first round notes when the tombstone was met
		w.cleaned()
		w.now += 1000
	}
	return w.l.Size()
}

// experiment is a field of partlog.Config, two values of it, and a question that
// a log answers differently when it is altered.
type experiment struct {
	base  func(*partlog.Config) // what the field needs around it; may be nil
	alter func(*partlog.Config)
	ask   func(*trial) any
}

func compacting(c *partlog.Config) { c.Compact, c.Delete, c.MinCleanableRatio = true, false, 0.01 }

var experiments = map[string]experiment{
	"SegmentBytes":       {nil, func(c *partlog.Config) { c.SegmentBytes = 1000 }, (*trial).segments},
	"SegmentIndexBytes":  {func(c *partlog.Config) { c.IndexIntervalBytes = 1 }, func(c *partlog.Config) { c.SegmentIndexBytes = 36 }, (*trial).segments},
	"IndexIntervalBytes": {nil, func(c *partlog.Config) { c.IndexIntervalBytes = 1 }, func(w *trial) any { w.fill(20); w.must(w.l.Close(true)); _, n := w.files(".index"); return n }},
	"SegmentMs":          {nil, func(c *partlog.Config) { c.SegmentMs = 10 }, func(w *trial) any { w.now += 1000; return w.segments() }},
	"SegmentJitterMs":    {func(c *partlog.Config) { c.SegmentMs = 2000 }, func(c *partlog.Config) { c.SegmentJitterMs = 1900 }, func(w *trial) any { w.now += 1000; return w.segments() }},
	"MaxCompactionLagMs": {compacting, func(c *partlog.Config) { c.MaxCompactionLagMs = 10 }, func(w *trial) any { w.now += 1000; return w.segments() }},
	"MaxMessageBytes":    {nil, func(c *partlog.Config) { c.MaxMessageBytes = 100 }, refused("k", 0)},
	"FlushMessages":      {nil, func(c *partlog.Config) { c.FlushMessages = 2 }, (*trial).flushed},
	"FlushMs":            {nil, func(c *partlog.Config) { c.FlushMs = 10 }, (*trial).flushed},
	"RetentionBytes":     {nil, func(c *partlog.Config) { c.RetentionBytes = 1000 }, (*trial).retained},
	"RetentionMs":        {nil, func(c *partlog.Config) { c.RetentionMs = 10 }, (*trial).retained},
	"Delete":             {func(c *partlog.Config) { c.RetentionMs = 10 }, func(c *partlog.Config) { c.Delete = false }, (*trial).retained},
	"FileDeleteDelayMs": {func(c *partlog.Config) { c.RetentionMs = 10 }, func(c *partlog.Config) { c.FileDeleteDelayMs = 0 }, func(w *trial) any {
		w.retained()
		w.must(w.l.Tick(w.now))
		n, _ := w.files(".deleted")
		return n
	}},
	"DeleteRetentionMs":  {compacting, func(c *partlog.Config) { c.DeleteRetentionMs = 10 }, (*trial).buried},
	"MinCompactionLagMs": {compacting, func(c *partlog.Config) { c.MinCompactionLagMs = 1 << 40 }, (*trial).cleaned},
	"MinCleanableRatio":  {compacting, func(c *partlog.Config) { c.MinCleanableRatio = math.Inf(1) }, (*trial).cleaned},
	"Compact":            {nil, func(c *partlog.Config) { c.Compact = true }, refused("", 0)},
	"Preallocate": {func(c *partlog.Config) { c.SegmentBytes = 1 << 20 }, func(c *partlog.Config) { c.Preallocate = true }, func(w *trial) any {
		w.fill(1)
		w.must(w.l.Roll())
		_, n := w.files(".log")
		return n
	}},
	"LogAppendTime": {nil, func(c *partlog.Config) { c.LogAppendTime = true }, func(w *trial) any {
		w.must(w.send([]byte("k"), -70))
		return w.first(w.l.EndOffset() - 1).MaxTimestamp()
	}},
	"TimestampBeforeMaxMs": {nil, func(c *partlog.Config) { c.TimestampBeforeMaxMs = 10 }, refused("k", -20)},
	"TimestampAfterMaxMs":  {nil, func(c *partlog.Config) { c.TimestampAfterMaxMs = 10 }, refused("k", 20)},
	"Recompress":           {func(c *partlog.Config) { c.Codec = batch.Zstd }, func(c *partlog.Config) { c.Recompress = true }, stored},
	"Codec":                {func(c *partlog.Config) { c.Recompress = true }, func(c *partlog.Config) { c.Codec = batch.Gzip }, stored},
	"CompressionLevel":     {func(c *partlog.Config) { c.Recompress, c.Codec, c.CompressionLevel = true, batch.Gzip, 1 }, func(c *partlog.Config) { c.CompressionLevel = 9 }, stored},
}

// stored is how a batch lies in the log.
func stored(w *trial) any {
	w.fill(1)
	v := w.first(w.l.EndOffset() - 1)
	return string(v[batch.HeaderSize:])
}

// TestEveryFieldActsAtOnce: each field of a log's configuration, altered while the
// log is open, changes what the log does next. A field without an experiment fails:
// what nobody tried may be accepted and act nowhere.
func TestEveryFieldActsAtOnce(t *testing.T) {
	fields := reflect.VisibleFields(reflect.TypeFor[partlog.Config]())
	for _, f := range fields {
		e, ok := experiments[f.Name]
		if !ok {
			t.Errorf("%s: nobody tried what it does", f.Name)
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			cfg := partlog.DefaultConfig()
			if e.base != nil {
				e.base(&cfg)
			}
			answer := func(altered bool) any {
				c := cfg
				w := newTrial(t, &c)
				w.fill(3) // the log is open and in use
				if altered {
					changed := c
					e.alter(&changed)
					if changed == c {
						t.Fatal("nothing was altered")
					}
					w.l.SetConfig(&changed)
				}
				return e.ask(w)
			}
			if was, is := answer(false), answer(true); was == is {
				t.Errorf("%v before and after", was)
			}
		})
	}
	if len(fields) != len(experiments) {
		t.Errorf("%d fields, %d experiments", len(fields), len(experiments))
	}
}
