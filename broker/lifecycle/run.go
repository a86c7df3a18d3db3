package lifecycle

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// shutdownPoll is the pause before the second question whether the broker may
// go; the first answer is often "not yet".
const shutdownPoll = 50 * time.Millisecond

// run is the goroutine that owns the state.
func (m *Manager) run() {
	defer close(m.stopped)
	defer m.become(Stopped)
	defer m.cancel()
	if !m.register() {
		return
	}
	l := loop{Manager: m, fenced: true}
	timer := time.NewTimer(m.o.HeartbeatInterval)
	defer timer.Stop()
	for {
		now, next := l.look()
		if now {
			next = l.beat()
		}
		l.amend()
		if l.gone || m.ctx.Err() != nil {
			return
		}
		if next > 0 {
			timer.Reset(next)
		}
		select {
		case <-m.ctx.Done():
			return
		case <-m.wake:
		case <-timer.C:
			l.due = true
		}
	}
}

// register repeats the registration until it is accepted. It returns false when
// that can never be or the broker is to stop.
func (m *Manager) register() bool {
	ctx, cancel := context.WithTimeout(m.ctx, m.o.RegistrationTimeout)
	defer cancel()
	var refusal error // the last one that was not the end of our patience
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, m.o.HeartbeatInterval) {
		epoch, err := m.tryRegister(ctx)
		switch {
		case err == nil:
			m.epoch.Store(epoch)
			m.o.Logger.Debug("registered", zap.Int64("epoch", epoch))
			close(m.registered)
			return true
		case errors.Is(err, kerr.InconsistentClusterID):
			m.failed <- ErrWrongCluster
			return false
		case m.ctx.Err() != nil || m.read().stopping:
			return false
		case ctx.Err() == nil || refusal == nil:
			refusal = err
		}
		if ctx.Err() != nil {
			m.failed <- errors.Join(ErrRegistrationTimeout, refusal)
			return false
		}
		m.o.Logger.Warn("the controller did not accept the registration, trying again", zap.Error(err))
		if !m.rest(ctx, pause) {
			return false
		}
	}
}

// rest waits before the next attempt to register; false when the broker is to stop.
func (m *Manager) rest(ctx context.Context, pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return m.ctx.Err() == nil
		case <-t.C:
			return true
		case <-m.wake:
			if m.read().stopping {
				return false
			}
		}
	}
}

func (m *Manager) tryRegister(ctx context.Context) (int64, error) {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version = 4
	req.BrokerID, req.ClusterID, req.IncarnationID = int32(m.o.Node), m.o.ClusterID, m.o.Incarnation
	req.Rack, req.PreviousBrokerEpoch = m.o.Rack, m.o.PreviousEpoch
	for _, e := range m.o.Endpoints {
		l := kmsg.NewBrokerRegistrationRequestListener()
		l.Name, l.Host, l.Port, l.SecurityProtocol = e.Name, e.Host, e.Port, e.SecurityProtocol
		req.Listeners = append(req.Listeners, l)
	}
	for _, f := range m.o.Features {
		r := kmsg.NewBrokerRegistrationRequestFeature()
		r.Name, r.MinSupportedVersion, r.MaxSupportedVersion = f.Feature, f.Min, f.Max
		req.Features = append(req.Features, r)
	}
	req.LogDirs = rawDirs(m.o.Directories)
	slices.SortFunc(req.LogDirs, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	resp, err := m.send(ctx, req)
	if err != nil {
		return 0, err
	}
	r, ok := resp.(*kmsg.BrokerRegistrationResponse)
	if !ok {
		return 0, errors.New("answered with another message")
	}
	return r.BrokerEpoch, kerr.ErrorForCode(r.ErrorCode)
}

// send is Controller.Do, bounded, and broken by Shutdown.
func (m *Manager) send(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, m.o.SessionTimeout)
	defer cancel()
	m.mu.Lock()
	if !m.mail.stopping {
		m.mail.interrupt = cancel
	}
	m.mu.Unlock()
	resp, err := m.o.Controller.Do(ctx, req)
	m.mu.Lock()
	m.mail.interrupt = nil
	m.mu.Unlock()
	return resp, err
}

// loop is what only the goroutine knows.
type loop struct {
	*Manager
	due      bool // the interval has passed
	asked    bool // a heartbeat has asked to be unfenced since the broker was last seen fenced
	fenced   bool // what the last image or answer said
	told     int  // offline directories that the controller knows
	refused  bool // the last answer left the broker fenced although it had asked
	leaving  bool // a heartbeat has asked to stop
	answered bool // … and was answered
	gone     bool // the controller lets the broker go
	amended  bool // the controller has the directories that the image lacks
}

// amend registers again, in the epoch there is, when the metadata version has come
// to know of log directories since the registration was recorded (KIP-858): until
// then the controller could not tell whose replicas a failed directory takes along.
func (l *loop) amend() {
	mail := l.read()
	if !mail.outdated || l.amended || mail.stopping {
		l.amended = l.amended && mail.outdated
		return
	}
	_, err := l.tryRegister(l.ctx)
	l.amended = err == nil
	if err != nil && l.ctx.Err() == nil {
		l.o.Logger.Warn("the controller did not take the log directories into the registration; it is told again later", zap.Error(err))
	}
}

// look reads the mailbox and moves the state. It says whether to send a
// heartbeat now, and otherwise when: 0 leaves the timer as it is.
func (l *loop) look() (now bool, next time.Duration) {
	mail := l.read()
	caughtUp := mail.imaged && mail.offset >= l.Epoch()
	if caughtUp && l.State() == Starting {
		l.become(Recovery)
		close(l.caughtUp)
	}
	if caughtUp && mail.fenced != l.fenced {
		l.fenced, l.asked = mail.fenced, false
		if mail.fenced {
			l.o.Logger.Warn("the controller has fenced this broker: it missed heartbeats or was replaced")
		}
	}
	if caughtUp && !mail.fenced && l.State() == Recovery {
		l.become(Running)
		close(l.unfenced)
	}
	switch {
	case mail.stopping && !l.leaving:
		l.become(Stopping)
		return true, 0
	case caughtUp && mail.ready && l.fenced && !l.asked && !mail.stopping:
		return true, 0
	case len(mail.offline) > mail.told, mail.news && mail.cordons && caughtUp:
		return true, 0
	}
	return l.due, 0
}

// beat sends a heartbeat and returns the time until the next.
func (l *loop) beat() time.Duration {
	mail := l.read()
	l.due = false
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.Version = 2
	req.BrokerID, req.BrokerEpoch, req.CurrentMetadataOffset = int32(l.o.Node), l.Epoch(), mail.offset
	caughtUp := mail.imaged && mail.offset >= l.Epoch()
	req.WantFence = !mail.ready || !caughtUp
	req.WantShutdown = mail.stopping
	req.OfflineLogDirs = rawDirs(mail.offline)
	if l.State() != Starting && mail.cordons {
		req.CordonedLogDirs = rawDirs(mail.cordoned)
	}
	l.leaving = mail.stopping
	l.asked = l.asked || !req.WantFence
	resp, err := l.send(l.ctx, req)
	if err == nil {
		err = l.answer(resp, mail)
	}
	if err != nil && l.ctx.Err() == nil && !l.interrupted() {
		l.o.Logger.Warn("heartbeat to the controller failed", zap.Error(err))
	}
	if err != nil {
		l.asked = false
		return l.afterFailure()
	}
	if l.leaving && !l.answered {
		l.answered = true
		return shutdownPoll
	}
	if l.refused {
		return l.afterFailure()
	}
	return l.o.HeartbeatInterval
}

// interrupted tells whether Shutdown broke the request, which is no failure.
func (l *loop) interrupted() bool { return l.read().stopping && !l.leaving }

// afterFailure is shorter than the interval while the broker is on its way up
// or down, where somebody waits.
func (l *loop) afterFailure() time.Duration {
	if s := l.State(); s == Running {
		return l.o.HeartbeatInterval
	}
	return min(100*time.Millisecond, l.o.HeartbeatInterval)
}

func (l *loop) answer(resp kmsg.Response, said mailbox) error {
	r, ok := resp.(*kmsg.BrokerHeartbeatResponse)
	if !ok {
		return errors.New("answered with another message")
	}
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		return err
	}
	l.heard(said)
	l.gone = l.leaving && r.ShouldShutdown
	l.refused = r.IsFenced && l.asked
	return nil
}

// heard notes what the controller knows now.
func (m *Manager) heard(said mailbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mail.told = max(m.mail.told, len(said.offline))
	m.mail.news = m.mail.news && !slices.Equal(m.mail.cordoned, said.cordoned)
}

// rawDirs is never nil: null directories mean something else than none.
func rawDirs(dirs []ids.DirectoryID) [][16]byte {
	out := make([][16]byte, 0, len(dirs))
	for _, d := range dirs {
		out = append(out, d)
	}
	return out
}
