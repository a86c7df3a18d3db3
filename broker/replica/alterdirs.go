package replica

import (
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
)

// AlterLogDir begins to move a partition to the directory at path. Where it
// moves to another one already, that move is called off; moving to where it lies
// does no more than that. For a partition that is not here the wish is kept and
// ErrNotLeader or ErrUnknownPartition returned: kafka-reassign-partitions says
// where a replica shall lie before it makes it.
func (m *Manager) AlterLogDir(tp ids.TopicPartition, path string) error {
	if !logdir.FutureNameFits(tp) {
		return fmt.Errorf("%w: %s", ErrNameTooLong, tp.Topic)
	}
	dir, err := m.opts.Logs.DirByPath(path)
	if err != nil {
		return err
	}
	if dir.Cordoned() {
		return fmt.Errorf("%w: %s", logdir.ErrCordoned, path)
	}
	p, err := m.Get(tp)
	if err != nil {
		m.opts.Logs.Prefer(tp, dir)
		return err
	}
	return p.moveTo(dir)
}

func (p *Partition) moveTo(dir *logdir.Dir) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offline.Load() {
		return fmt.Errorf("%w: %v", ErrOffline, p.TP())
	}
	if p.move != nil && p.move.dir != dir {
		if err := p.callOffLocked(true); err != nil {
			return err
		}
	}
	if _, err := p.openLocked(); err != nil {
		return err
	}
	if p.dir == dir.ID() || p.move != nil {
		return nil
	}
	if off := p.m.opts.Logs.Offline(); len(off) > 0 { // a copy may lie there already
		return fmt.Errorf("%w: %v", ErrOffline, off)
	}
	log, dir, err := p.m.opts.Logs.OpenFuture(p.TP(), p.TopicID(), dir, p.topic.settings().Log)
	if err != nil {
		return err
	}
	p.move = &move{log: log, dir: dir}
	p.m.moves.note(p)
	return nil
}

// callOffLocked ends a move. What the controller was told is taken back by the
// reporter, which compares what is with what the metadata says.
func (p *Partition) callOffLocked(remove bool) error {
	if p.move == nil {
		return nil
	}
	p.move = nil
	p.m.reports.note(p)
	if !remove {
		return nil
	}
	return p.m.opts.Logs.DropFuture(p.TP())
}

// resume goes on with a move that an earlier process began.
func (p *Partition) resume(dir *logdir.Dir) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.move == nil && !p.retired && !p.offline.Load() {
		p.move = &move{dir: dir}
	}
	p.m.moves.note(p)
}

// moving tells whether the partition is on its way to another directory; it is
// not compacted meanwhile, or the copy could keep what a tombstone that is gone
// by then had deleted.
func (p *Partition) moving() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.move != nil
}

// DirectoryFailed takes the partitions of a directory out of use: whoever waits
// for them is told, and everything that asks for them gets ErrOffline until the
// process ends. The controller is told by others.
func (m *Manager) DirectoryFailed(dir ids.DirectoryID) {
	m.Each(func(p *Partition) bool {
		p.directoryFailed(dir)
		return true
	})
}

func (p *Partition) directoryFailed(dir ids.DirectoryID) {
	p.mu.Lock()
	if p.move != nil && p.move.dir.ID() == dir {
		_ = p.callOffLocked(false)
	}
	hit := !p.offline.Load() && !p.retired && p.liesLocked() == dir
	var due outcomes
	if hit {
		p.offline.Store(true)
		_ = p.callOffLocked(false)
		due = p.dueLocked(ErrOffline)
	}
	p.mu.Unlock()
	due.tell()
	if hit {
		p.Waiters.WakeAll()
	}
}

// liesLocked is the directory that has the partition or will have it.
func (p *Partition) liesLocked() ids.DirectoryID {
	if p.log.Load() != nil {
		return p.dir
	}
	if d := p.m.opts.Logs.Lies(p.TP()); d != nil {
		return d.ID()
	}
	if reg := p.m.Image().Topics.Partition(p.TP()); reg != nil {
		id, _ := reg.DirectoryOf(p.m.opts.Node)
		return id
	}
	return ids.UnassignedDir
}
