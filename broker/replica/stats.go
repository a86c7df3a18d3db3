package replica

import (
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Stats are the numbers of one partition at one moment. Those of the log are
// zero while it is not open: looking at it does not open it.
type Stats struct {
	TP                 ids.TopicPartition
	Leads              bool
	Replicas, ISR, Min int // replicas, in-sync replicas, and the fewest that acks=all needs
	Offline            bool
	Opened             bool
	Start, End         ids.Offset
	HighWatermark      ids.Offset
	LastStable         ids.Offset
	Bytes              int64
	Segments           int
}

// UnderReplicated: some replica of a partition led here is not in sync.
func (s *Stats) UnderReplicated() bool { return s.Leads && s.ISR < s.Replicas }

// UnderMinISR: acks=all is refused.
func (s *Stats) UnderMinISR() bool { return s.Leads && s.ISR < s.Min }

// AtMinISR: one more replica lost, and acks=all is refused.
func (s *Stats) AtMinISR() bool { return s.Leads && s.ISR == s.Min }

// EachStats calls f for every partition that lives here.
func (m *Manager) EachStats(f func(Stats)) {
	img := m.Image()
	m.Each(func(p *Partition) bool {
		if t := img.Topics.ByID(p.TopicID()); t != nil {
			f(p.stats(t))
		}
		return true
	})
}

func (p *Partition) stats(t *image.Topic) Stats {
	s := Stats{TP: p.TP(), Leads: p.role.Load().leads, Min: int(p.topic.settings().MinISR)}
	if reg := t.Partition(p.index); reg != nil {
		s.Replicas, s.ISR = len(reg.Replicas), len(reg.ISR)
		s.Offline = reg.Leader == ids.NoNode
	}
	log := p.log.Load()
	if log == nil {
		return s
	}
	s.Opened = true
	s.Start, s.End = log.StartOffset(), log.EndOffset()
	s.HighWatermark, s.LastStable = p.HighWatermark(), p.LastStable()
	s.Bytes, s.Segments = log.Size(), log.Segments()
	return s
}
