package conn

import (
	"math/bits"
	"sync"
)

// A block is memory for a frame or a reply. Blocks of a size class are pooled:
// in steady state large Produce frames allocate nothing, and pages that were
// touched once are used again.
type block struct {
	mem   []byte
	class int8 // index into pools, -1 = left to the garbage collector
}

const (
	minClass = 10 // 1 KiB
	maxClass = 23 // 8 MiB; rarer frames above it are not worth keeping
)

var pools [maxClass - minClass + 1]sync.Pool

// takeBlock returns a block whose mem has length n. Its contents are arbitrary.
func takeBlock(n int) *block {
	class := max(bits.Len(uint(n-1)), minClass)
	if n <= 0 {
		class = minClass
	}
	if class > maxClass {
		return &block{mem: make([]byte, n), class: -1}
	}
	i := int8(class - minClass)
	if b, ok := pools[i].Get().(*block); ok {
		b.mem = b.mem[:n]
		return b
	}
	return &block{mem: make([]byte, n, 1<<class), class: i}
}

// free gives the block back; nil is fine. The memory must not be used any more.
func (b *block) free() {
	if b == nil || b.class < 0 {
		return
	}
	b.mem = b.mem[:cap(b.mem)]
	pools[b.class].Put(b)
}

// replace makes b hold mem, which an append may have moved to a larger array.
// Memory that was moved to is not pooled: its size is no class.
func (b *block) replace(mem []byte) *block {
	if cap(mem) == cap(b.mem) {
		b.mem = mem
		return b
	}
	b.free()
	return &block{mem: mem, class: -1}
}
