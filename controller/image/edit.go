package image

import (
	"cmp"
	"slices"

	"github.com/tidwall/btree"
)

// Change is one entry of a part of the image before and after; the zero value
// (a nil pointer, a nil map, level 0) stands for absent.
type Change[V any] struct{ Old, New V }

// key is what tidwall/btree can order.
type key interface{ ~int32 | ~string }

// edit collects changes to one map of the image. Values are never changed in
// place: the base image's readers hold them.
type edit[K key, V any] struct {
	base *btree.Map[K, V]
	to   map[K]slot[V]
}

type slot[V any] struct {
	v       V
	present bool
}

func newEdit[K key, V any](base *btree.Map[K, V]) *edit[K, V] {
	return &edit[K, V]{base: base, to: map[K]slot[V]{}}
}

func (e *edit[K, V]) get(k K) (V, bool) {
	if s, ok := e.to[k]; ok {
		return s.v, s.present
	}
	return e.base.Get(k)
}

// edited returns a value set in this delta, which is not yet shared.
func (e *edit[K, V]) edited(k K) (V, bool) {
	s, ok := e.to[k]
	return s.v, ok && s.present
}

// touched tells whether this delta set or removed k.
func (e *edit[K, V]) touched(k K) bool {
	_, ok := e.to[k]
	return ok
}

func (e *edit[K, V]) set(k K, v V) { e.to[k] = slot[V]{v, true} }

func (e *edit[K, V]) remove(k K) { e.to[k] = slot[V]{} }

// removeUnseen removes whatever the snapshot that was replayed does not have.
func (e *edit[K, V]) removeUnseen() {
	e.base.Scan(func(k K, _ V) bool {
		if _, seen := e.to[k]; !seen {
			e.remove(k)
		}
		return true
	})
}

// apply returns the next map and the changes in key order. With same, entries
// that it calls equal are left as they were and are no change.
func (e *edit[K, V]) apply(same func(a, b V) bool) (btree.Map[K, V], []Change[V]) {
	next := *e.base.Copy()
	var changes []Change[V]
	for _, k := range sortedKeys(e.to) {
		old, had := e.base.Get(k)
		s := e.to[k]
		switch {
		case !s.present && !had, s.present && had && same != nil && same(old, s.v):
			continue
		case !s.present:
			next.Delete(k)
		default:
			next.Set(k, s.v)
		}
		changes = append(changes, Change[V]{old, s.v})
	}
	return next, changes
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
