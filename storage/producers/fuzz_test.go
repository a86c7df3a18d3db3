package producers

import (
	"bytes"
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// FuzzOps drives a state as a leader does and compares it with what the list of
// the batches says: last stable offset, duplicates, what may come next, and the
// state that a snapshot and a replay of the rest give.
func FuzzOps(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	f.Add([]byte{0, 16, 32, 48, 5, 21, 6, 22, 7, 23, 0, 0, 0, 0, 0, 0, 3})
	f.Add([]byte("producers write, markers end transactions"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 200 {
			return
		}
		m := naive{t: t}
		for i, op := range ops {
			m.step(op)
			if i == len(ops)/2 {
				m.snapshot, m.at = m.s.Encode(), len(m.all)
			}
		}
		if m.snapshot != nil {
			m.replay()
		}
	})
}

type naive struct {
	t        *testing.T
	s        State
	all      []Batch
	snapshot []byte
	at       int // batches in the snapshot
}

func (m *naive) end() ids.Offset {
	if n := len(m.all); n > 0 {
		return m.all[n-1].Last + 1
	}
	return 0
}

// of is the naive state of a producer: its epoch, the batches of that epoch and
// the beginning of its open transaction.
func (m *naive) of(pid int64) (epoch int16, batches []Batch, open ids.Offset) {
	open = ids.NoOffset
	for _, b := range m.all {
		if b.ProducerID != pid {
			continue
		}
		if b.Epoch != epoch {
			epoch, batches = b.Epoch, nil
		}
		switch {
		case b.Marker:
			open = ids.NoOffset
		default:
			batches = append(batches, b)
			if b.Transactional && open == ids.NoOffset {
				open = b.First
			}
		}
	}
	return epoch, batches, open
}

// step: two bits say what to do, two which producer, four how much.
func (m *naive) step(op byte) {
	pid, n := int64(op>>2&3), int32(op>>4)
	epoch, batches, open := m.of(pid)
	next := int32(1<<31 - 20) // so that sequences wrap soon
	if epoch > 0 || m.known(pid) {
		next = 0 // also behind a marker that came before any data, as in Kafka
	}
	if len(batches) > 0 {
		next = (batches[len(batches)-1].LastSeq + 1) & 0x7fffffff
	}
	b := Batch{ProducerID: pid, Epoch: epoch, First: m.end(), Last: m.end() + ids.Offset(n), FirstSeq: next, LastSeq: (next + n) & 0x7fffffff,
		Timestamp: int64(m.end()), Transactional: pid > 0}
	switch op & 3 {
	case 2: // a marker
		b = Batch{ProducerID: pid, Epoch: epoch + int16(n&1), First: m.end(), Last: m.end(), FirstSeq: -1, LastSeq: -1, Transactional: true, Marker: true, Abort: n&2 > 0}
	case 3: // a batch that was sent before
		if len(batches) > 0 {
			m.again(batches, int(n))
		}
		return
	}
	if err := m.s.Check(&b, Rules{Sequences: !b.Marker}); err != nil {
		m.t.Fatalf("%+v: %v", b, err)
	}
	if !b.Marker && len(batches) > 0 {
		gap := b
		gap.FirstSeq, gap.LastSeq = (b.FirstSeq+1)&0x7fffffff, (b.LastSeq+1)&0x7fffffff
		if m.s.Check(&gap, Rules{Sequences: true}) == nil {
			m.t.Fatalf("a gap in the sequence: %+v after %+v", gap, batches[len(batches)-1])
		}
	}
	done, ended := m.s.Apply(&b)
	m.all = append(m.all, b)
	if b.Marker && (ended != (open != ids.NoOffset) || ended && (done.First != open || done.Aborted != b.Abort)) {
		m.t.Fatalf("marker %+v ended %v %+v, open was %d", b, ended, done, open)
	}
	stable := m.end()
	for pid := range int64(4) {
		if _, first, ok := m.s.OpenTxn(pid); ok != (m.opened(pid) != ids.NoOffset) || ok && first != m.opened(pid) {
			m.t.Fatal("open transaction of ", pid)
		}
		if open := m.opened(pid); open != ids.NoOffset {
			stable = min(stable, open)
		}
	}
	m.s.Committed(m.end())
	if first, ok := m.s.FirstUnstable(); ok && first != stable || !ok && stable != m.end() {
		m.t.Fatalf("unstable from %d %v, want %d", first, ok, stable)
	}
}

func (m *naive) known(pid int64) bool {
	return slices.ContainsFunc(m.all, func(b Batch) bool { return b.ProducerID == pid })
}

func (m *naive) opened(pid int64) ids.Offset {
	_, _, open := m.of(pid)
	return open
}

// again sends one of the last batches once more: the last five are known.
func (m *naive) again(batches []Batch, back int) {
	i := len(batches) - 1 - back%8
	if i < 0 {
		return
	}
	first, last, _, ok := m.s.Duplicate(&batches[i])
	if known := len(batches)-i <= window; ok != known || ok && (first != batches[i].First || last != batches[i].Last) {
		m.t.Fatalf("batch %d of %d again: %d-%d %v", i, len(batches), first, last, ok)
	}
}

// replay makes the state from the snapshot in the middle and the batches behind it.
func (m *naive) replay() {
	end := ids.Offset(0)
	if m.at > 0 {
		end = m.all[m.at-1].Last + 1
	}
	s, err := Parse(m.snapshot, end)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, b := range m.all[m.at:] {
		s.Apply(&b)
	}
	if !bytes.Equal(s.Encode(), m.s.Encode()) {
		m.t.Fatalf("replayed %+v, want %+v", s.All(), m.s.All())
	}
}
