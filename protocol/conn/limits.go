package conn

import (
	"net/netip"
	"time"
)

// Limits bound what the clients of one listener can cost. The zero value of a
// field means its default.
type Limits struct {
	// MaxFrame is the largest request (socket.request.max.bytes, 100 MiB).
	MaxFrame int32
	// MaxFrameUnauthenticated bounds frames until Conn.SetAuthenticated; 0 on
	// listeners that authenticate nobody.
	MaxFrameUnauthenticated int32
	// MaxConnections of this listener (max.connections); accepting waits while it
	// is reached. 0 = no limit.
	MaxConnections int
	// MaxPerIP is max.connections.per.ip; PerIP overrides it for single addresses.
	// A connection above it is closed at once. 0 = no limit.
	MaxPerIP int
	PerIP    map[netip.Addr]int
	// Idle closes connections without traffic (connections.max.idle.ms, 10 min;
	// negative = never). It also bounds how long a reply may make no progress.
	Idle time.Duration
	// FirstByte closes connections that never say anything (default 30 s,
	// at most Idle).
	FirstByte time.Duration
	// BodyGrace and BodyRate bound a frame that has begun: it must be complete
	// after BodyGrace plus its size divided by BodyRate (30 s, 64 KiB/s).
	BodyGrace time.Duration
	BodyRate  int64
	// SendBuffer and ReceiveBuffer are socket.send.buffer.bytes and
	// socket.receive.buffer.bytes; 0 leaves the system's own tuning.
	SendBuffer, ReceiveBuffer int
}

const (
	defaultMaxFrame  = 100 << 20
	defaultIdle      = 10 * time.Minute
	defaultFirstByte = 30 * time.Second
	defaultBodyGrace = 30 * time.Second
	defaultBodyRate  = 64 << 10
)

func (l Limits) withDefaults() Limits {
	if l.MaxFrame <= 0 {
		l.MaxFrame = defaultMaxFrame
	}
	if l.Idle == 0 {
		l.Idle = defaultIdle
	}
	if l.FirstByte == 0 {
		l.FirstByte = defaultFirstByte
	}
	if l.Idle > 0 {
		l.FirstByte = min(l.FirstByte, l.Idle)
	}
	if l.BodyGrace == 0 {
		l.BodyGrace = defaultBodyGrace
	}
	if l.BodyRate <= 0 {
		l.BodyRate = defaultBodyRate
	}
	return l
}
