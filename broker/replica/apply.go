package replica

import (
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"go.uber.org/zap"
)

// Apply follows one step of the metadata: it drops what is no longer here,
// takes and gives up leaderships, and hands out changed configurations. It is
// an image.Publisher.
func (m *Manager) Apply(d *image.Delta, img *image.Image) {
	m.image.Store(img)
	if t := d.Topics(); t != nil {
		local := t.Local(m.opts.Node)
		for _, l := range local.Deleted {
			m.drop(l.Topic, l.Index)
		}
		m.place(local.Leaders)
		m.place(local.Followers)
	}
	if c := d.Configs(); c != nil {
		for _, change := range c.Changed {
			if change.Resource.Type == image.TopicResource {
				m.configure(change.Resource.Name)
			}
		}
	}
}

// SetBroker takes over changed broker values, on which topics' configurations stand.
func (m *Manager) SetBroker(v *configs.Values) {
	m.broker.Store(v)
	m.opts.Logs.ExpireProducersAfter(int64(v.Int("producer.id.expiration.ms")))
	m.defaults.Store(newTopicDefaults(v))
	m.mu.RLock()
	names := make([]string, 0, len(m.byName))
	for name := range m.byName {
		names = append(names, name)
	}
	m.mu.RUnlock()
	for _, name := range names {
		m.configure(name)
	}
}

// place makes sure that the partitions are here and have the role metadata says.
func (m *Manager) place(changed []image.LocalPartition) {
	for _, l := range changed {
		p := m.ensure(l.Topic, l.Index)
		t, err := p.assign(l.New)
		if err != nil {
			m.log.Error("cannot begin leadership", zap.Stringer("partition", p.TP()), zap.Error(err))
		}
		m.tellLeadership(p, t)
		m.settle(p, l.New)
		m.reports.assigned(p, l.New)
	}
}

// settle goes on with a move to another directory. A partition that the metadata
// has in a directory that is not here is offline while a directory is that may
// have it; else it is made anew, as the operator has taken its directory away,
// and the controller hears where it is.
func (m *Manager) settle(p *Partition, reg *image.Partition) {
	if dir := m.opts.Logs.FutureDir(p.TP()); dir != nil && dir.Err() == nil {
		p.resume(dir)
	}
	id, here := reg.DirectoryOf(m.opts.Node)
	if !here || id == ids.UnassignedDir || id == ids.MigratingDir || id == ids.LostDir || p.offline.Load() {
		return
	}
	if _, ok := m.opts.Logs.DirByID(id); ok || p.log.Load() != nil || m.opts.Logs.Lies(p.TP()) != nil {
		return
	}
	if len(m.opts.Logs.Offline()) > 0 {
		p.offline.Store(true)
		return
	}
	if _, err := p.opened(); err != nil {
		m.log.Error("a partition lies in no log directory of this broker and cannot be made anew", zap.Stringer("partition", p.TP()), zap.Error(err))
	}
}

func (m *Manager) tellLeadership(p *Partition, t transition) {
	r := p.role.Load()
	if f := p.topic.onLeadership; f != nil && (t.began || t.ended || t.newEpoch && r.leads) {
		f(p.index, r.leads, r.epoch)
	}
}

// ensure returns the partition, made if it is new here.
func (m *Manager) ensure(reg *image.Topic, index int32) *Partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.byID[reg.ID]
	if t == nil {
		t = &topic{m: m, name: reg.Name, id: reg.ID, onLeadership: m.leadership[reg.Name], onHighWatermark: m.watermarks[reg.Name]}
		m.byID[t.id], m.byName[t.name] = t, t
	}
	if p := t.part(index); p != nil {
		return p
	}
	p := &Partition{m: m, topic: t, index: index, core: core{self: m.opts.Node}}
	p.core.role = role{leader: ids.NoNode, epoch: ids.NoEpoch}
	p.role.Store(&role{leader: ids.NoNode, epoch: ids.NoEpoch})
	if len(t.parts) < len(reg.Partitions) {
		t.parts = append(make([]*Partition, 0, len(reg.Partitions)), t.parts...)[:len(reg.Partitions)]
	}
	t.parts[index] = p
	return p
}

// drop ends a partition here and has its directory deleted.
func (m *Manager) drop(reg *image.Topic, index int32) {
	p := m.detach(reg.ID, index)
	if p == nil {
		return
	}
	m.tellLeadership(p, p.retire())
	if err := m.opts.Logs.DeletePartition(p.TP()); err != nil {
		m.log.Error("cannot delete partition", zap.Stringer("partition", p.TP()), zap.Error(err))
	}
}

func (m *Manager) detach(id ids.TopicID, index int32) *Partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.byID[id]
	p := t.part(index)
	if p == nil {
		return nil
	}
	t.parts[index] = nil
	if !slices.ContainsFunc(t.parts, func(p *Partition) bool { return p != nil }) {
		delete(m.byID, id)
		if m.byName[t.name] == t {
			delete(m.byName, t.name)
		}
	}
	return p
}

// configure gives a topic's open logs its present configuration.
func (m *Manager) configure(name string) {
	m.mu.RLock()
	t := m.byName[name]
	var parts []*Partition
	if t != nil {
		parts = slices.Clone(t.parts)
	}
	m.mu.RUnlock()
	if t == nil {
		return
	}
	c := m.defaults.Load().config(m.Image().Configs.Topic(name))
	t.config.Store(c)
	for _, p := range parts {
		if p == nil {
			continue
		}
		if log := p.log.Load(); log != nil {
			log.SetConfig(c.Log)
		}
	}
}

// MarkStrays renames the directories of partitions that the metadata does not
// know or has given to others. It is called once, when the metadata of a
// starting broker has caught up with the controller's. It goes by names: that a
// directory belongs to an older topic of the same name is seen when it is opened.
func (m *Manager) MarkStrays() {
	defer close(m.caughtUp)
	img := m.Image()
	for _, tp := range m.opts.Logs.Unopened() {
		if img.Topics.Partition(tp).Has(m.opts.Node) {
			continue
		}
		m.log.Warn("partition is not this broker's any more", zap.Stringer("partition", tp))
		if err := m.opts.Logs.MarkStray(tp); err != nil {
			m.log.Error("cannot mark stray partition", zap.Stringer("partition", tp), zap.Error(err))
		}
	}
}
