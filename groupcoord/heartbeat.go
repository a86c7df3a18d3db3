package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat handles versions 0–4. With c.Hold the reply may be held until there
// is news.
func (s *Service) Heartbeat(c Caller, req *kmsg.HeartbeatRequest, reply func(*kmsg.HeartbeatResponse)) {
	b := &classicBeat{s: s, hold: c.Hold, req: req, reply: reply}
	if req.Group == "" {
		b.answer(kerr.InvalidGroupID.Code)
		return
	}
	s.do(req.Group, b.arrive, b.fail)
}

// classicBeat is a Heartbeat on its way.
type classicBeat struct {
	s     *Service
	hold  func(func()) bool
	req   *kmsg.HeartbeatRequest
	reply func(*kmsg.HeartbeatResponse)
}

func (b *classicBeat) answer(code int16) {
	r := kmsg.NewPtrHeartbeatResponse()
	r.Version, r.ErrorCode = b.req.Version, code
	b.reply(r)
}

func (b *classicBeat) fail(err error) {
	if err == runtime.ErrLoading { // there is nothing the member should do about it
		err = nil
	}
	b.answer(code(err))
}

// arrive answers the heartbeat, or holds it.
func (b *classicBeat) arrive(sh *shard, now int64) runtime.Outcome {
	bad := sh.heartbeat(b.req, now)
	if bad == nil && b.hold != nil && sh.holdBeat(&hold{
		group: b.req.Group, member: b.req.MemberID, fail: b.fail,
		again: func(now int64) (runtime.Outcome, bool) { return b.outcome(sh.heartbeatAgain(b.req, now)), false },
	}, sh.holdFor(b.req), b.hold, b.s, now) {
		return runtime.Outcome{}
	}
	return b.outcome(bad)
}

func (b *classicBeat) outcome(bad *kerr.Error) runtime.Outcome {
	return runtime.Outcome{Done: func(_ int64, err error) {
		if err != nil {
			b.fail(err)
			return
		}
		b.answer(codeOf(bad))
	}}
}

// heartbeat is a Heartbeat to a group of either kind.
func (sh *shard) heartbeat(req *kmsg.HeartbeatRequest, now int64) *kerr.Error {
	if g := sh.consumers.Get(req.Group); g != nil {
		return sh.consumers.HeartbeatClassic(g, req, now)
	}
	return sh.groups.Heartbeat(req, now)
}

// heartbeatAgain is what a held Heartbeat is answered now. Its session runs since
// it came.
func (sh *shard) heartbeatAgain(req *kmsg.HeartbeatRequest, now int64) *kerr.Error {
	if g := sh.consumers.Get(req.Group); g != nil {
		return sh.consumers.CheckClassic(g, req, now)
	}
	return sh.groups.CheckHeartbeat(req)
}

// holdFor is how long a Heartbeat may be held, in ms.
func (sh *shard) holdFor(req *kmsg.HeartbeatRequest) int64 {
	if g := sh.consumers.Get(req.Group); g != nil {
		return sh.consumers.HoldForClassic(g, req.MemberID)
	}
	return sh.groups.HoldFor(req)
}

// holdBeat holds a heartbeat for a time, if its connection lets it.
func (sh *shard) holdBeat(h *hold, longest int64, ask func(func()) bool, s *Service, now int64) bool {
	longest = min(longest, sh.cfg.HoldMax)
	if longest <= soonest {
		return false
	}
	sh.holds.keep(h, now+longest)
	release := func() {
		s.do(h.group, func(sh *shard, _ int64) runtime.Outcome {
			sh.holds.take(h)
			return runtime.Outcome{}
		}, func(error) {}) // then it was answered already
	}
	if ask(release) {
		return true
	}
	sh.holds.drop(h)
	return false
}
