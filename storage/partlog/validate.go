package partlog

import (
	"errors"
	"fmt"
	"math"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// decompressBudget bounds what the records of a stored batch may take unpacked.
const decompressBudget = 256 << 20

// budget bounds what a client's batch may take unpacked: sixteen times the size
// that may be stored, at least 16 MiB. Kafka has no bound, and so a small batch
// can take all of its memory.
func (vd *validator) budget() int64 { return max(16<<20, 16*int64(vd.cfg.MaxMessageBytes)) }

// validator judges the one batch of a leader's append and makes it fit the
// topic. It needs no lock.
//
// The records of a client's batch are always walked, compressed ones unpacked
// for it, as Kafka does: a batch that nobody can unpack would stop every
// consumer at its offset for ever. What coordinators wrote themselves is walked
// when it lies there uncompressed or the topic's configuration depends on it.
type validator struct {
	cfg     *Config
	origin  Origin
	now     int64
	errs    []RecordError
	anyTime bool // one of errs is about a timestamp
}

// one cuts the batch out of buf and checks its frame and checksum.
func (vd *validator) one(buf []byte) (batch.View, error) {
	v, rest, err := batch.Next(buf)
	switch {
	case errors.Is(err, batch.ErrMagic) || errors.Is(err, batch.ErrIncomplete):
		return nil, fmt.Errorf("%w: %w", ErrInvalidRecord, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if vd.origin == Client && v.BaseOffset() != 0 {
		return nil, fmt.Errorf("%w: base offset %d instead of 0", ErrInvalidRecord, v.BaseOffset())
	}
	if err := vd.size(v); err != nil {
		return nil, err
	}
	if err := v.VerifyCRC(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(rest) == 0 {
		return v, nil
	}
	if _, _, err := batch.Next(rest); err == nil {
		return nil, fmt.Errorf("%w: more than one batch", ErrInvalidRecord)
	} // bytes behind the batch that are none are left out, as Kafka does
	return v, nil
}

func (vd *validator) size(v batch.View) error {
	if v.Len() > int(vd.cfg.MaxMessageBytes) {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrMessageTooLarge, v.Len(), vd.cfg.MaxMessageBytes)
	}
	return nil
}

// check returns the batch as it will be stored but for offset and leader epoch.
func (vd *validator) check(buf []byte) (batch.View, error) {
	v, err := vd.one(buf)
	if err != nil {
		return nil, err
	}
	if !v.Codec().Valid() {
		return nil, fmt.Errorf("%w: codec %d", ErrUnsupportedCodec, v.Codec())
	}
	if vd.origin == Client {
		err = vd.produced(v)
	} else if v.LastOffsetDelta() < 0 {
		err = fmt.Errorf("%w: last offset delta %d", ErrInvalidRecord, v.LastOffsetDelta())
	}
	if err != nil {
		return nil, err
	}
	if v.IsControl() {
		if vd.cfg.LogAppendTime {
			v.SetTimestamps(batch.LogAppendTime, vd.now)
		}
		return v, nil
	}
	return vd.records(v)
}

// produced checks what only clients get wrong.
func (vd *validator) produced(v batch.View) error {
	if err := v.CheckProduced(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidRecord, err)
	}
	switch {
	case v.IsControl():
		return fmt.Errorf("%w: clients may not write control records", ErrInvalidRecord)
	case v.HasProducerID() && v.BaseSequence() < 0:
		return fmt.Errorf("%w: producer %d with sequence %d", ErrInvalidRecord, v.ProducerID(), v.BaseSequence())
	}
	return nil
}

func (vd *validator) records(v batch.View) (batch.View, error) {
	recompress := vd.cfg.Recompress && vd.cfg.Codec != v.Codec()
	walk := vd.origin == Client || v.Codec() == batch.None || recompress || vd.cfg.Compact || vd.cfg.TimestampBeforeMaxMs != math.MaxInt64
	info := batch.Info{MaxTimestamp: v.MaxTimestamp(), MinTimestamp: v.MaxTimestamp(), NullKey: -1, Contiguous: true}
	if walk {
		var err error
		if info, err = v.Validate(vd.budget()); err != nil {
			return nil, recordsErr(err)
		}
	}
	if err := vd.content(v, &info); err != nil {
		return nil, err
	}
	if recompress || !info.Contiguous && v.Codec() != batch.None {
		return vd.rebuild(v)
	}
	switch {
	case vd.cfg.LogAppendTime:
		v.SetTimestamps(batch.LogAppendTime, vd.now)
	case info.MaxTimestamp != v.MaxTimestamp() || v.TimestampType() != batch.CreateTime:
		v.SetTimestamps(batch.CreateTime, info.MaxTimestamp) // search by time relies on it
	}
	return v, nil
}

// content checks keys and timestamps.
func (vd *validator) content(v batch.View, info *batch.Info) error {
	nullKey := vd.cfg.Compact && info.NullKey >= 0
	// A producer has no append time to tell. Kafka refuses it where it stamps batches
	// itself, or where it tells none; else it takes it for the time of creation.
	wrongType := v.TimestampType() == batch.LogAppendTime && (vd.cfg.LogAppendTime || info.MaxTimestamp == batch.NoTimestamp)
	badTime := !vd.cfg.LogAppendTime && (vd.badTime(info.MaxTimestamp) || vd.badTime(info.MinTimestamp))
	if !nullKey && !wrongType && !badTime {
		return nil
	}
	vd.explain(v, wrongType)
	if wrongType || badTime && !nullKey || vd.anyTime {
		return fmt.Errorf("%w: %d records", ErrInvalidTimestamp, len(vd.errs))
	}
	return fmt.Errorf("%w: %d records without a key on a compacted topic", ErrInvalidRecord, len(vd.errs))
}

func (vd *validator) badTime(ts int64) bool {
	if ts == batch.NoTimestamp {
		return false
	}
	diff := vd.now - ts
	return diff > vd.cfg.TimestampBeforeMaxMs || -diff > vd.cfg.TimestampAfterMaxMs
}

// explain finds the records at fault, for the reply (KIP-467).
func (vd *validator) explain(v batch.View, wrongType bool) {
	it, err := v.Iterate(vd.budget())
	if err != nil {
		return
	}
	defer it.Release()
	var r batch.Record
	for i := int32(0); it.Next(&r); i++ {
		switch {
		case vd.cfg.Compact && r.Key == nil:
			vd.errs = append(vd.errs, RecordError{i, "Compacted topic cannot accept message without key"})
		case wrongType:
			vd.anyTime = true
			vd.errs = append(vd.errs, RecordError{i, "Producer should not set timestamp type to LogAppendTime"})
		case !vd.cfg.LogAppendTime && vd.badTime(r.Timestamp):
			vd.anyTime = true
			vd.errs = append(vd.errs, RecordError{i, fmt.Sprintf("Timestamp %d is out of range: it should be within [%d, %d]",
				r.Timestamp, vd.now-vd.cfg.TimestampBeforeMaxMs, vd.now+vd.cfg.TimestampAfterMaxMs)})
		}
	}
}

// rebuild writes the batch anew, in the topic's codec and with contiguous offsets.
func (vd *validator) rebuild(v batch.View) (batch.View, error) {
	o := batch.Options{Codec: v.Codec(), Transactional: v.IsTransactional(), LeaderEpoch: ids.NoEpoch}
	if vd.cfg.Recompress {
		o.Codec, o.Level = vd.cfg.Codec, vd.cfg.CompressionLevel
	}
	if v.HasProducerID() {
		o.Producer = &batch.Producer{ID: v.ProducerID(), Epoch: v.ProducerEpoch(), Sequence: v.BaseSequence()}
	}
	if vd.cfg.LogAppendTime {
		o.TimestampType, o.LogAppendTime = batch.LogAppendTime, vd.now
	}
	it, err := v.Iterate(vd.budget())
	if err != nil {
		return nil, recordsErr(err)
	}
	defer it.Release()
	b := batch.NewBuilder(o)
	var r batch.Record
	for it.Next(&r) {
		b.Append(r.Timestamp, r.Key, r.Value, r.Headers)
	}
	if err := it.Err(); err != nil {
		return nil, recordsErr(err)
	}
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidRecord, err)
	}
	return out, vd.size(out)
}

// recordsErr sorts what is wrong with a batch's records. Bytes that do not
// decompress stay package batch's error: Kafka has no code of its own for them.
func recordsErr(err error) error {
	switch {
	case errors.Is(err, batch.ErrDecompress):
		return err
	case errors.Is(err, batch.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrMessageTooLarge, err)
	}
	return fmt.Errorf("%w: %w", ErrInvalidRecord, err)
}
