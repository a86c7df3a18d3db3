package batch

// Info is what Validate learns of a batch's records.
type Info struct {
	// MaxTimestamp is the largest timestamp, NoTimestamp if no record has one.
	// MaxTimestampDelta is the offset delta of the first record that has it.
	MaxTimestamp      int64
	MaxTimestampDelta int32
	// MinTimestamp is the smallest timestamp of those that have one,
	// NoTimestamp if none has.
	MinTimestamp int64
	// NullKey is the index of the first record without a key, -1 if all have
	// one. A compacted topic takes no such record.
	NullKey int32
	// Contiguous: the offset deltas are 0, 1, 2 … If not, no offset in the batch
	// can be trusted, not even MaxTimestampDelta. Kafka writes such a batch anew
	// if it is compressed, and stores it as it is if not.
	Contiguous bool
	// Size is the size of the records without compression, in bytes.
	Size int
}

// Validate walks through the records, decompressing them within budget, and
// keeps none: their number is the header's, every length fits, and nothing is
// left over. It allocates nothing once the pools are warm.
func (v View) Validate(budget int64) (Info, error) {
	var it Iterator
	if err := it.Reset(v, budget); err != nil {
		return Info{}, err
	}
	defer it.Release()
	return it.validate()
}

func (it *Iterator) validate() (Info, error) {
	info := Info{MaxTimestamp: NoTimestamp, MinTimestamp: NoTimestamp, NullKey: -1, Contiguous: true, Size: len(it.w.buf)}
	base, count := it.view.BaseTimestamp(), it.view.Count()
	appendTime := it.view.TimestampType() == LogAppendTime
	for it.next < count {
		i := it.next
		b, ok := it.w.quick()
		if ok {
			it.next++
		} else if b, ok = it.careful(); !ok {
			return info, it.err
		}
		timestamp := base + b.timestampDelta
		if appendTime {
			timestamp = it.view.MaxTimestamp()
		}
		info.add(&b, timestamp, i)
	}
	_, _ = it.read(&Record{}) // asks that nothing is left behind the last record
	return info, it.err
}

// careful reads a record that quick did not.
func (it *Iterator) careful() (b brief, ok bool) {
	var r Record
	h, ok := it.read(&r)
	if !ok {
		return b, false
	}
	for ; h.count > 0 && it.w.err == nil; h.count-- {
		it.w.header()
	}
	return brief{r.TimestampDelta, r.OffsetDelta, r.Key == nil}, it.finish(h.end)
}

// add takes record i into account.
func (info *Info) add(b *brief, timestamp int64, i int32) {
	if b.offsetDelta != i {
		info.Contiguous = false
	}
	if b.nullKey && info.NullKey < 0 {
		info.NullKey = i
	}
	if timestamp > info.MaxTimestamp {
		info.MaxTimestamp, info.MaxTimestampDelta = timestamp, b.offsetDelta
	}
	if timestamp != NoTimestamp && (info.MinTimestamp == NoTimestamp || timestamp < info.MinTimestamp) {
		info.MinTimestamp = timestamp
	}
}
