package active

import (
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// tick does what time asks for and returns when to be called again (ms; never
// for not before something else happens).
func (c *core) tick(now int64) (next int64) {
	c.maybeSnapshot(now)
	next = c.snapshotDue()
	if c.epoch == notLeading {
		return next
	}
	next = min(next, c.expire(now))
	next = min(next, c.periodically(now))
	next = min(next, c.fenceExpired(now))
	return min(next, c.noOp(now))
}

// fenceExpired fences brokers that were not heard of for a session, one by one,
// so that each sees the leaders that the one before it made.
func (c *core) fenceExpired(now int64) (next int64) {
	expired, next := c.live.Expired(c.pending, now)
	for _, id := range expired {
		c.meters.heartbeats++
		c.log.Warn("Fencing a broker that was not heard of for a session", zap.Int32("broker", int32(id)))
		c.request(func(e *decide.Env) (decide.Decision, error) { return decide.Fence(e, id), nil }, ignore, now)
	}
	return next
}

// brokerDied fences a broker at once.
func (c *core) brokerDied(id ids.NodeID, epoch, now int64) {
	if c.epoch == notLeading {
		return
	}
	c.log.Warn("Fencing a broker whose process has ended", zap.Int32("broker", int32(id)), zap.Int64("epoch", epoch))
	c.request(func(e *decide.Env) (decide.Decision, error) { return decide.FenceDead(e, id, epoch), nil }, ignore, now)
}

func ignore(kmsg.Response, error) {}

// chore is what the active controller does now and then by itself.
type chore struct {
	every int64 // ms; 0: never
	do    func(*decide.Env) (d decide.Decision, more bool)
	due   int64
}

// begin starts the chores of a new active controller.
func (c *core) begin(now int64) {
	c.chores = []chore{
		{every: c.o.BalanceInterval.Milliseconds(), do: decide.BalanceLeaders},
		{every: c.o.UncleanInterval.Milliseconds(), do: decide.ElectUnclean},
	}
	for i := range c.chores {
		c.chores[i].due = now + c.chores[i].every
	}
}

// periodically does the chores that are due, each again at once while there is
// more to do.
func (c *core) periodically(now int64) (next int64) {
	next = never
	for i := range c.chores {
		x := &c.chores[i]
		if x.every <= 0 {
			continue
		}
		if x.due <= now {
			more := false
			c.request(func(e *decide.Env) (d decide.Decision, _ error) {
				d, more = x.do(e)
				return d, nil
			}, ignore, now)
			x.due = now + x.every
			if more {
				x.due = now
			}
		}
		next = min(next, x.due)
	}
	return next
}

// noOp appends a record that says nothing when the log has not moved for a
// while, so that whoever follows can tell "nothing new" from "cut off"
// (KIP-835). While nobody follows it is left out: an idle single node writes
// and syncs nothing.
func (c *core) noOp(now int64) (next int64) {
	idle := c.o.MaxIdle.Milliseconds()
	if idle <= 0 || c.alone(now) {
		return never
	}
	if due := c.lastAppend + idle; now < due {
		return due
	}
	d := decide.Decision{Records: []records.Versioned{{Record: &records.NoOpRecord{}}}, Atomic: true}
	if err := c.append(&d, now); err != nil {
		c.lastAppend = now // not the leader any more; it will be told
	}
	return c.lastAppend + idle
}

// followerMemory is for how long after its last fetch a follower counts, in ms.
const followerMemory = 60_000

// alone tells whether nobody but this node follows the log.
func (c *core) alone(now int64) bool {
	voters, _ := c.quorum.State()
	return len(voters) <= 1 && (c.peerSeen == 0 || now-c.peerSeen > followerMemory)
}
