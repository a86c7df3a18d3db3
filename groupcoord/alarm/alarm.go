// Package alarm is a queue of deadlines for state machines that take the time
// as an argument: members' sessions, joins, syncs.
//
// Most alarms are put off again and again (every heartbeat) and hardly ever go
// off. Putting one off is therefore free: the alarm keeps its place in the heap
// and is moved only when that place comes to the top.
//
// Invariants: an alarm in the heap has key ≤ At; the heap is ordered by key and,
// among equals, by the order of Set, so that the same calls give the same order.
package alarm

// Alarm is one deadline. Its zero value is not set; it belongs to one Queue.
type Alarm[T any] struct {
	// At is when it goes off, in milliseconds since 1970. Change it with Set only.
	At    int64
	Value T

	key   int64 // place in the heap, ≤ At
	seq   uint64
	index int // in the heap, plus one; 0 = not set
}

// IsSet tells whether the alarm will go off.
func (a *Alarm[T]) IsSet() bool { return a.index != 0 }

// Queue is a set of alarms. The zero value is empty.
type Queue[T any] struct {
	heap []*Alarm[T]
	seq  uint64
}

// Len is the number of alarms set.
func (q *Queue[T]) Len() int { return len(q.heap) }

// Set makes the alarm go off at the given time instead of any earlier setting.
func (q *Queue[T]) Set(a *Alarm[T], at int64) {
	a.At = at
	switch {
	case a.index == 0:
		q.seq++
		a.key, a.seq = at, q.seq
		q.heap = append(q.heap, a)
		a.index = len(q.heap)
		q.up(len(q.heap) - 1)
	case at < a.key:
		a.key = at
		q.up(a.index - 1)
	}
}

// Cancel unsets the alarm, if it is set.
func (q *Queue[T]) Cancel(a *Alarm[T]) {
	if a.index != 0 {
		q.remove(a.index - 1)
	}
}

// Shift moves all alarms that are set, ms into the future.
func (q *Queue[T]) Shift(ms int64) {
	for _, a := range q.heap {
		a.At += ms
		a.key += ms
	}
}

// Next is when Pop will have something to return; false when nothing is set.
func (q *Queue[T]) Next() (at int64, ok bool) {
	q.settle()
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].At, true
}

// Pop unsets and returns the first alarm that is due at now, or nil.
func (q *Queue[T]) Pop(now int64) *Alarm[T] {
	for len(q.heap) > 0 && q.heap[0].key <= now {
		a := q.heap[0]
		if a.At <= now {
			q.remove(0)
			return a
		}
		q.sink(a)
	}
	return nil
}

// Peek returns the first alarm that is due at now, or nil, and leaves it set.
func (q *Queue[T]) Peek(now int64) *Alarm[T] {
	if at, ok := q.Next(); !ok || at > now {
		return nil
	}
	return q.heap[0]
}

// settle moves alarms that were put off until the top is one that was not.
func (q *Queue[T]) settle() {
	for len(q.heap) > 0 && q.heap[0].key != q.heap[0].At {
		q.sink(q.heap[0])
	}
}

// sink gives the top its true place.
func (q *Queue[T]) sink(a *Alarm[T]) {
	q.seq++
	a.key, a.seq = a.At, q.seq
	q.down(0)
}

func (q *Queue[T]) remove(i int) {
	last := len(q.heap) - 1
	a := q.heap[i]
	q.swap(i, last)
	q.heap[last] = nil
	q.heap = q.heap[:last]
	a.index = 0
	if i < last {
		q.down(i)
		q.up(i)
	}
}

func (q *Queue[T]) less(i, j int) bool {
	a, b := q.heap[i], q.heap[j]
	if a.key != b.key {
		return a.key < b.key
	}
	return a.seq < b.seq
}

func (q *Queue[T]) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.heap[i].index, q.heap[j].index = i+1, j+1
}

func (q *Queue[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !q.less(i, parent) {
			return
		}
		q.swap(i, parent)
		i = parent
	}
}

func (q *Queue[T]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			return
		}
		if child+1 < len(q.heap) && q.less(child+1, child) {
			child++
		}
		if !q.less(child, i) {
			return
		}
		q.swap(i, child)
		i = child
	}
}
