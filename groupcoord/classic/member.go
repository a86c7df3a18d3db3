package classic

import (
	"bytes"

	"github.com/gregorbroker/gregor/groupcoord/alarm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Ticket names a request that is held. The caller picks it; 0 is none.
type Ticket uint64

// Member is one member of a group.
type Member struct {
	ID               string
	InstanceID       *string // static members only
	ClientID         string
	Host             string
	RebalanceTimeout int32 // ms
	SessionTimeout   int32 // ms
	Protocols        []kmsg.JoinGroupRequestProtocol
	Assignment       []byte // of the current generation, once it is stored

	join     Ticket // held JoinGroup
	sync     Ticket // held SyncGroup
	isNew    bool   // joined and has not had an answer yet: it may expire while it waits
	unsynced bool   // has not sent SyncGroup in this generation
	session  alarm.Alarm[due]

	prev, next *Member // in the order of joining
}

// satisfied tells whether the member needs no heartbeat: it waits for us.
func (m *Member) satisfied() bool { return !m.isNew && (m.join != 0 || m.sync != 0) }

// metadata is what the member said about itself for a protocol.
func (m *Member) metadata(protocol string) []byte {
	for i := range m.Protocols {
		if m.Protocols[i].Name == protocol {
			return m.Protocols[i].Metadata
		}
	}
	return nil
}

// matches tells whether the member would join with just what it has joined with.
func (m *Member) matches(protocols []kmsg.JoinGroupRequestProtocol) bool {
	if len(protocols) != len(m.Protocols) {
		return false
	}
	for i := range protocols {
		if protocols[i].Name != m.Protocols[i].Name || !bytes.Equal(protocols[i].Metadata, m.Protocols[i].Metadata) {
			return false
		}
	}
	return true
}

// memberList is the members of a group by id and in the order they came in.
type memberList struct {
	byID        map[string]*Member
	first, last *Member
}

func (l *memberList) len() int { return len(l.byID) }

func (l *memberList) add(m *Member) {
	if l.byID == nil {
		l.byID = map[string]*Member{}
	}
	l.byID[m.ID] = m
	m.prev, m.next = l.last, nil
	if l.last != nil {
		l.last.next = m
	} else {
		l.first = m
	}
	l.last = m
}

func (l *memberList) remove(m *Member) {
	delete(l.byID, m.ID)
	if m.prev != nil {
		m.prev.next = m.next
	} else {
		l.first = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	} else {
		l.last = m.prev
	}
	m.prev, m.next = nil, nil
}

// replace puts m where old was.
func (l *memberList) replace(old, m *Member) {
	delete(l.byID, old.ID)
	l.byID[m.ID] = m
	m.prev, m.next = old.prev, old.next
	if m.prev != nil {
		m.prev.next = m
	} else {
		l.first = m
	}
	if m.next != nil {
		m.next.prev = m
	} else {
		l.last = m
	}
	old.prev, old.next = nil, nil
}
