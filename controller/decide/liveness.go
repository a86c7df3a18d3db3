package decide

import (
	"maps"
	"math"
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Liveness is what the active controller knows of brokers by their heartbeats.
// It is not replicated: a new active controller starts with NewLiveness and
// gives every unfenced broker a whole session to be heard of.
type Liveness struct {
	sessionMs int64
	brokers   map[ids.NodeID]*beat
}

type beat struct {
	epoch   int64
	contact int64 // ms; 0: never in this session, or let go since
	// offset is how far the broker said it has read the metadata; -1 unknown.
	offset int64
	// registered is the offset of the latest registration record.
	registered ids.Offset
	// shutdownOffset is the last record that moved leaders away from a broker in
	// controlled shutdown; -1 when it is in none.
	shutdownOffset int64
}

// Touch is the effect of a decision on Liveness.
type Touch struct {
	Broker ids.NodeID
	Epoch  int64
	// Registered: a registration record is among the records.
	Registered bool
	// NewIncarnation: nothing of the former incarnation counts any more.
	NewIncarnation bool
	Removed        bool
	// Heartbeat: the broker said it has read up to MetadataOffset.
	Heartbeat      bool
	MetadataOffset int64
	Fenced         bool
	// ShuttingDown: the broker is in controlled shutdown from the end of the records on.
	ShuttingDown bool
	// Gone: the broker was told that it may end, and asks for nothing any more.
	Gone bool
}

// NewLiveness starts with the brokers of an image at now.
func NewLiveness(img *image.Image, sessionMs, now int64) *Liveness {
	l := &Liveness{sessionMs: sessionMs, brokers: map[ids.NodeID]*beat{}}
	img.Cluster.EachBroker(func(b *image.Broker) bool {
		s := &beat{epoch: b.Epoch, offset: -1, registered: ids.Offset(b.Epoch), shutdownOffset: -1}
		if !b.Fenced {
			s.contact = now
		}
		l.brokers[b.ID] = s
		return true
	})
	return l
}

// Contact notes that a broker was heard of, before anything is decided.
func (l *Liveness) Contact(id ids.NodeID, epoch, now int64) {
	if s := l.brokers[id]; s != nil && s.epoch == epoch {
		s.contact = now
	}
}

// Apply carries out the effect of a decision whose records were appended, the
// last one at last; first is the offset before which nothing of it lies.
func (l *Liveness) Apply(t *Touch, first, last ids.Offset) {
	if t == nil {
		return
	}
	if t.Removed {
		delete(l.brokers, t.Broker)
		return
	}
	s := l.brokers[t.Broker]
	if s == nil || t.NewIncarnation {
		s = &beat{offset: -1, shutdownOffset: -1}
		l.brokers[t.Broker] = s
	}
	s.epoch = t.Epoch
	if t.Registered {
		s.registered = last
	}
	if t.Heartbeat {
		s.offset = t.MetadataOffset
	}
	if t.Fenced {
		s.shutdownOffset = -1
	}
	if t.Gone {
		s.contact = 0
	}
	if t.ShuttingDown && s.shutdownOffset < 0 {
		s.shutdownOffset = int64(max(first, last))
	}
}

// Silence is for how long a broker was not heard of, in ms; -1 when it never was.
func (l *Liveness) Silence(id ids.NodeID, now int64) int64 {
	if s := l.brokers[id]; s != nil && s.contact > 0 {
		return now - s.contact
	}
	return -1
}

// hasSession tells whether that incarnation of a broker was heard of lately.
func (l *Liveness) hasSession(id ids.NodeID, epoch, now int64) bool {
	s := l.brokers[id]
	return s != nil && s.epoch == epoch && s.contact > 0 && now-s.contact < l.sessionMs
}

// Expired returns the brokers of img that are not fenced and were not heard of
// for a session, by id, and when to look again (ms; MaxInt64 for never).
func (l *Liveness) Expired(img *image.Image, now int64) (expired []ids.NodeID, next int64) {
	next = math.MaxInt64
	for _, id := range slices.Sorted(maps.Keys(l.brokers)) {
		s, b := l.brokers[id], img.Cluster.Broker(id)
		if b == nil || b.Fenced || b.Epoch != s.epoch || s.contact == 0 {
			continue
		}
		if at := s.contact + l.sessionMs; at <= now {
			expired = append(expired, id)
		} else {
			next = min(next, at)
		}
	}
	return expired, next
}

// registeredAt is the offset a broker must have read before it may be unfenced.
func (l *Liveness) registeredAt(b *image.Broker) int64 {
	if s := l.brokers[b.ID]; s != nil {
		return int64(s.registered)
	}
	return b.Epoch
}

func (l *Liveness) shutdownOffset(id ids.NodeID) int64 {
	if s := l.brokers[id]; s != nil {
		return s.shutdownOffset
	}
	return -1
}

// lowestOffset is how far the slowest broker that is neither fenced nor shutting
// down has read; MaxInt64 when there is none.
func (l *Liveness) lowestOffset(img *image.Image) int64 {
	low := int64(math.MaxInt64)
	for id, s := range l.brokers {
		if b := img.Cluster.Broker(id); b != nil && !b.Fenced && s.shutdownOffset < 0 {
			low = min(low, s.offset)
		}
	}
	return low
}
