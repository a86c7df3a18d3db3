package compact

import (
	"hash/maphash"
	"math/bits"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// SlotBytes is what a slot of the key map takes, as in Kafka, whose settings
// count in slots: a digest of 16 bytes and an offset.
const SlotBytes = 24

// keyMap maps keys to the newest offset that they were written with. It keeps
// no key, only 128 bits of a hash that nobody outside of this process can
// compute, so that nobody can make two keys collide, as can be done with the MD5
// that Kafka uses; by chance it happens once in 10^23 cleanings of a billion keys.
//
// It is one flat array with linear probing: nothing in it for the collector to
// look at, one line of cache a look-up. It grows from small, never beyond limit.
type keyMap struct {
	a, b  maphash.Seed
	slots []slot
	n     int // taken
	max   int // keys that it takes at most
	limit int // slots
}

type slot struct {
	a, b uint64
	next ids.Offset // offset + 1; 0 is a free slot
}

const firstSlots = 1 << 10

// newKeyMap makes a map for at most keys keys in at most limit slots; 0 keys is no bound.
func newKeyMap(limit, keys int) *keyMap {
	m := &keyMap{a: maphash.MakeSeed(), b: maphash.MakeSeed(), limit: limit, max: keys}
	if keys <= 0 {
		m.max, m.limit = 1<<40, 1<<41
	}
	m.limit = max(m.limit, m.max+1) // one slot stays free, or a search would not end
	m.slots = make([]slot, min(firstSlots, m.limit))
	return m
}

func (m *keyMap) find(key []byte) (*slot, uint64, uint64) {
	a, b := maphash.Bytes(m.a, key), maphash.Bytes(m.b, key)
	return m.place(a, b), a, b
}

func (m *keyMap) place(a, b uint64) *slot {
	i, _ := bits.Mul64(a, uint64(len(m.slots))) // spreads over any number of slots
	for {
		s := &m.slots[i]
		if s.next == 0 || s.a == a && s.b == b {
			return s
		}
		if i++; i == uint64(len(m.slots)) {
			i = 0
		}
	}
}

// put notes the key's newest offset; false when it is a new key and the map is full.
func (m *keyMap) put(key []byte, off ids.Offset) bool {
	s, a, b := m.find(key)
	if s.next == 0 {
		if m.n >= m.max {
			return false
		}
		if m.n >= len(m.slots)-len(m.slots)/4-1 && len(m.slots) < m.limit {
			m.grow()
			s = m.place(a, b)
		}
		s.a, s.b = a, b
		m.n++
	}
	s.next = off + 1
	return true
}

// get returns the key's newest offset, -1 for an unknown key.
func (m *keyMap) get(key []byte) ids.Offset {
	s, _, _ := m.find(key)
	return s.next - 1
}

func (m *keyMap) grow() {
	old := m.slots
	m.slots = make([]slot, min(2*len(old), m.limit))
	for _, s := range old {
		if s.next != 0 {
			*m.place(s.a, s.b) = s
		}
	}
}
