// Package invariant states what must be true. A broken invariant is a bug in
// gregor, never bad input: the process stops with its context rather than go
// on and damage data.
package invariant

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Check panics with the formatted context when ok is false. It is always on,
// so conditions must be cheap. Bad input and failing disks are errors, not
// invariants.
func Check(ok bool, format string, args ...any) {
	if !ok {
		panic("invariant: " + fmt.Sprintf(format, args...))
	}
}

var reached sync.Map // state name → *atomic.Int64

// Sometimes counts that a rare state was reached, when cond holds. Simulations
// assert with Reached that their faults really led to the states they aim at.
func Sometimes(cond bool, state string) {
	if !cond {
		return
	}
	n, ok := reached.Load(state)
	if !ok {
		n, _ = reached.LoadOrStore(state, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

// Reached returns how often each state named to Sometimes was reached so far.
func Reached() map[string]int64 {
	out := map[string]int64{}
	reached.Range(func(k, v any) bool {
		out[k.(string)] = v.(*atomic.Int64).Load()
		return true
	})
	return out
}
