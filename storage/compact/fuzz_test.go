package compact

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// bytesSource is a source of randomness that a fuzzer can steer: its input
// first, then what is always the same.
type bytesSource struct {
	b    []byte
	then *rand.PCG
}

func (s *bytesSource) Uint64() uint64 {
	if len(s.b) == 0 {
		return s.then.Uint64()
	}
	var x [8]byte
	s.b = s.b[copy(x[:2], s.b):] // the low bits of a number are what a small choice is made of
	x[7], x[6] = x[0], x[1]      // or the high ones
	return binary.LittleEndian.Uint64(x[:])
}

// FuzzTransactions is TestTransactions with the choices made by a fuzzer: the
// cleaner on any valid batches, between any operations on the log.
func FuzzTransactions(f *testing.F) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 400)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		walkTxns(t, 0, rand.New(&bytesSource{b, rand.NewPCG(1, 1)}), 60)
	})
}
