package logdir

import "github.com/gregorbroker/gregor/protocol/ids"

// CleanerOffset is the offset up to which the partition's log was cleaned, 0 if
// it never was. The checkpoint is read with its first use.
func (d *Dir) CleanerOffset(tp ids.TopicPartition) ids.Offset {
	d.cleanerMu.Lock()
	defer d.cleanerMu.Unlock()
	d.loadCleaner()
	return d.cleaned[tp]
}

// SetCleanerOffset notes how far a partition was cleaned, durably.
func (d *Dir) SetCleanerOffset(tp ids.TopicPartition, off ids.Offset) error {
	d.cleanerMu.Lock()
	defer d.cleanerMu.Unlock()
	d.loadCleaner()
	d.cleaned[tp] = off
	return WriteOffsets(d.fs, d.Path, CleanerFile, d.cleaned)
}

// lowerCleaner takes back what was noted as clean at and behind off: a log that
// is cut there and grows again is dirty from there.
func (d *Dir) lowerCleaner(tp ids.TopicPartition, off ids.Offset) error {
	if d.CleanerOffset(tp) <= off {
		return nil
	}
	return d.SetCleanerOffset(tp, off)
}

// loadCleaner reads the checkpoint; an unreadable one means cleaning from the start, which is only slow.
func (d *Dir) loadCleaner() {
	if d.cleaned != nil {
		return
	}
	o, err := ReadOffsets(d.fs, d.Path, CleanerFile)
	if err != nil {
		o = Offsets{}
	}
	d.cleaned = o
}

// forgetCleaner drops the partition's entry: its name may be used again.
func (d *Dir) forgetCleaner(tp ids.TopicPartition) error {
	d.cleanerMu.Lock()
	defer d.cleanerMu.Unlock()
	d.loadCleaner()
	if _, ok := d.cleaned[tp]; !ok {
		return nil
	}
	delete(d.cleaned, tp)
	return WriteOffsets(d.fs, d.Path, CleanerFile, d.cleaned)
}
