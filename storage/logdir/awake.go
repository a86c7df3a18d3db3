package logdir

import (
	"sync"

	"github.com/gregorbroker/gregor/storage/partlog"
)

// awakeLogs are the logs that hold files or memory or have work for Tick: what
// upkeep costs goes by them, not by how many partitions there are. A log wakes
// under its own locks, so the lock here is a leaf.
type awakeLogs struct {
	mu   sync.Mutex
	logs map[*partlog.Log]*Dir
	// rested were awake after the last Checkpoint and are not now.
	rested map[*partlog.Log]*Dir
}

func (a *awakeLogs) add(l *partlog.Log, d *Dir) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.logs == nil {
		a.logs = map[*partlog.Log]*Dir{}
	}
	a.logs[l] = d
}

// settle forgets a log that rests. One that woke after it rested is either seen
// awake here, or waits to be added.
func (a *awakeLogs) settle(l *partlog.Log) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d, ok := a.logs[l]; ok && !l.Awake() {
		delete(a.logs, l)
		if a.rested == nil {
			a.rested = map[*partlog.Log]*Dir{}
		}
		a.rested[l] = d
	}
}

// remove forgets a log that is closed.
func (a *awakeLogs) remove(l *partlog.Log) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.logs, l)
	delete(a.rested, l)
}

type awakeLog struct {
	log *partlog.Log
	dir *Dir
}

// list is who is awake now.
func (a *awakeLogs) list() []awakeLog {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]awakeLog, 0, len(a.logs))
	for l, d := range a.logs {
		out = append(out, awakeLog{l, d})
	}
	return out
}

// changed tells in which directories a log was awake since the last call.
func (a *awakeLogs) changed() map[*Dir]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[*Dir]bool{}
	for _, d := range a.logs {
		out[d] = true
	}
	for _, d := range a.rested {
		out[d] = true
	}
	a.rested = nil
	return out
}
