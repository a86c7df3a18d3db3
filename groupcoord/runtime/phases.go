package runtime

// Phases is how many shards load, run, and could not be loaded.
func (r *Runtime[M]) Phases() (loads, runs, broken int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, s := range r.shards {
		s.mu.Lock()
		switch s.phase {
		case loading:
			loads++
		case active:
			runs++
		case failed:
			broken++
		}
		s.mu.Unlock()
	}
	return loads, runs, broken
}
