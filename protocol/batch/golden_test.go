package batch

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/schema/schematest"
)

// goldenBatch is a batch that Apache Kafka 4.3.1 wrote, and how it reads it.
type goldenBatch struct {
	name  string
	bytes []byte
	text  string // a line for the header, one for each of the first records
}

func goldenBatches(t testing.TB) []goldenBatch {
	raw, err := os.ReadFile("testdata/batches.golden")
	if err != nil {
		t.Fatal(err)
	}
	var out []goldenBatch
	for _, part := range strings.Split("\n"+string(raw), "\nbatch ")[1:] {
		head, text, _ := strings.Cut(part, "\n")
		name, digits, _ := strings.Cut(head, " ")
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(name, err)
		}
		out = append(out, goldenBatch{name, b, strings.TrimSpace(text)})
	}
	return out
}

// shownRecords is how many records of a batch the golden file shows.
const shownRecords = 8

func describe(v View) (string, error) {
	var b strings.Builder
	kind := map[TimestampType]string{CreateTime: "CreateTime", LogAppendTime: "LogAppendTime"}[v.TimestampType()]
	fmt.Fprintf(&b, "head base=%d last=%d epoch=%d codec=%v type=%s txn=%v control=%v pid=%d pepoch=%d seq=%d lastseq=%d count=%d max=%d",
		v.BaseOffset(), v.LastOffset(), v.LeaderEpoch(), v.Codec(), kind, v.IsTransactional(), v.IsControl(),
		v.ProducerID(), v.ProducerEpoch(), v.BaseSequence(), v.LastSequence(), v.Count(), v.MaxTimestamp())
	records, err := v.Records(nil, 1<<20)
	for i := 0; i < min(shownRecords, len(records)); i++ {
		r := &records[i]
		fmt.Fprintf(&b, "\nrecord %d %d %s %s", r.Offset, r.Timestamp, show(r.Key), show(r.Value))
		for _, h := range r.Headers {
			fmt.Fprintf(&b, " %s=%s", h.Key, show(h.Value))
		}
	}
	return b.String(), err
}

func show(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) == 0:
		return "empty"
	case len(b) > 100:
		return fmt.Sprintf("bytes[%d]:%x", len(b), crc32.Checksum(b, castagnoli))
	}
	return hex.EncodeToString(b)
}

func TestGoldenBatches(t *testing.T) {
	for _, g := range goldenBatches(t) {
		v, rest, err := Next(g.bytes)
		if err != nil || len(rest) > 0 {
			t.Errorf("%s: %v, %d bytes left", g.name, err, len(rest))
			continue
		}
		if err := v.VerifyCRC(); err != nil {
			t.Errorf("%s: %v", g.name, err)
		}
		if err := v.CheckProduced(); err != nil && !v.IsControl() {
			t.Errorf("%s: %v", g.name, err)
		}
		got, err := describe(v)
		if err != nil || got != g.text {
			t.Errorf("%s: %v\n%s\nKafka:\n%s", g.name, err, got, g.text)
		}
		if info, err := v.Validate(1 << 20); err != nil || !info.Contiguous {
			t.Errorf("%s: %+v %v", g.name, info, err)
		}
	}
}

// The builder writes uncompressed batches byte by byte as Kafka does, and
// compressed ones that have the same records.
func TestBuilderRewritesGolden(t *testing.T) {
	for _, g := range goldenBatches(t) {
		v := View(g.bytes)
		records, err := v.Records(nil, 1<<20)
		if err != nil {
			t.Fatal(g.name, err)
		}
		opts := Options{
			Codec: v.Codec(), BaseOffset: v.BaseOffset(), LeaderEpoch: v.LeaderEpoch(), TimestampType: v.TimestampType(),
			LogAppendTime: v.MaxTimestamp(), Transactional: v.IsTransactional(), Control: v.IsControl(),
		}
		if v.HasProducerID() {
			opts.Producer = &Producer{v.ProducerID(), v.ProducerEpoch(), v.BaseSequence()}
		}
		b := NewBuilder(opts)
		for i := range records {
			b.Append(v.BaseTimestamp()+records[i].TimestampDelta, records[i].Key, records[i].Value, records[i].Headers)
		}
		out, err := b.Bytes()
		if err != nil {
			t.Fatal(g.name, err)
		}
		if v.Codec() == None && !bytes.Equal(out, v) {
			t.Errorf("%s:\nKafka %x\nwe    %x", g.name, v, out)
		}
		if got, err := describe(out); err != nil || got != g.text || out.VerifyCRC() != nil {
			t.Errorf("%s: %v\n%s\nKafka:\n%s", g.name, err, got, g.text)
		}
	}
}

func TestGoldenControlMessages(t *testing.T) {
	kafkaNames := map[string]ControlType{
		"LeaderChangeMessage": ControlLeaderChange, "SnapshotHeaderRecord": ControlSnapshotHeader,
		"SnapshotFooterRecord": ControlSnapshotFooter, "KRaftVersionRecord": ControlKRaftVersion, "VotersRecord": ControlKRaftVoters,
	}
	schematest.Golden(t, "testdata/control.golden", func(l schematest.Line) (any, []byte, error) {
		m := NewControlMessage(kafkaNames[l.Name])
		if err := m.ReadFrom(l.Version, l.Bytes); err != nil {
			return nil, nil, err
		}
		return m, m.AppendTo(nil, l.Version), nil
	})
}

func TestGoldenControlBatches(t *testing.T) {
	seen := map[ControlType]bool{}
	for _, g := range goldenBatches(t) {
		v := View(g.bytes)
		if !v.IsControl() {
			continue
		}
		records, err := v.Records(nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		kind, err := ControlTypeOf(records[0].Key)
		if err != nil {
			t.Fatal(g.name, err)
		}
		seen[kind] = true
		b := NewBuilder(Options{Control: true})
		if kind == ControlAbort || kind == ControlCommit {
			m, err := ParseEndTxnMarker(kind, records[0].Value)
			want := map[ControlType]EndTxnMarker{ControlCommit: {true, 17}, ControlAbort: {false, 18}}[kind]
			if err != nil || m != want {
				t.Errorf("%s: %+v %v", g.name, m, err)
			}
			b.AppendControl(0, m.Type(), m.AppendTo(nil))
		} else {
			m, err := ParseControlMessage(kind, records[0].Value)
			if err != nil {
				t.Fatal(g.name, err)
			}
			b.AppendControl(0, kind, m.AppendTo(nil, 0))
		}
		out, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		again, err := out.Records(nil, 1<<20)
		if err != nil || !bytes.Equal(again[0].Key, records[0].Key) || !bytes.Equal(again[0].Value, records[0].Value) {
			t.Errorf("%s: %x %x, Kafka %x %x: %v", g.name, again[0].Key, again[0].Value, records[0].Key, records[0].Value, err)
		}
	}
	if len(seen) != 7 {
		t.Errorf("golden control batches of %d types, there are 7", len(seen))
	}
}
