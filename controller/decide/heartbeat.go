package decide

import (
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerState is where a broker is between start and stop.
//
//	fenced      → unfenced     asks for it, and has read its own registration
//	fenced      → shutdownNow  wants to shut down
//	unfenced    → fenced       asks for it
//	unfenced    → controlled   wants to shut down and leads partitions
//	unfenced    → shutdownNow  wants to shut down and leads none
//	controlled  → shutdownNow  leads none, and all others know the new leaders
type brokerState uint8

const (
	stateFenced brokerState = iota
	stateUnfenced
	stateControlled
	stateShutdownNow
)

// BrokerHeartbeat moves a broker to the state that it asks for and may have. The
// caller has noted the contact in Live before.
func BrokerHeartbeat(e *Env, req *kmsg.BrokerHeartbeatRequest) (Decision, error) {
	b, refusal := e.checkEpoch(req.BrokerID, req.BrokerEpoch)
	if refusal != nil {
		return Decision{}, refusal
	}
	caughtUp := req.CurrentMetadataOffset >= e.Live.registeredAt(b)
	now := e.stateOf(b)
	next := e.nextState(b, now, req, caughtUp)
	var d Decision
	if next != now {
		switch next {
		case stateFenced, stateShutdownNow:
			e.fence(&d, b)
		case stateUnfenced:
			e.unfence(&d, b, req.OfflineLogDirs)
		case stateControlled:
			e.enterShutdown(&d, b)
		}
	}
	fenced := next == stateFenced || next == stateShutdownNow
	d.Touch = &Touch{Broker: b.ID, Epoch: b.Epoch, Heartbeat: true, MetadataOffset: req.CurrentMetadataOffset,
		Fenced: fenced, ShuttingDown: next == stateControlled, Gone: next == stateShutdownNow}
	e.directories(&d, b, req)
	resp := req.ResponseKind().(*kmsg.BrokerHeartbeatResponse)
	resp.IsCaughtUp, resp.IsFenced, resp.ShouldShutdown = caughtUp, fenced, next == stateShutdownNow
	d.Reply = resp
	return d, nil
}

func (e *Env) stateOf(b *image.Broker) brokerState {
	switch {
	case e.Live.shutdownOffset(b.ID) >= 0:
		return stateControlled
	case b.Fenced:
		return stateFenced
	}
	return stateUnfenced
}

func (e *Env) nextState(b *image.Broker, now brokerState, req *kmsg.BrokerHeartbeatRequest, caughtUp bool) brokerState {
	switch now {
	case stateFenced:
		switch {
		case req.WantShutdown:
			return stateShutdownNow
		case !req.WantFence && caughtUp:
			return stateUnfenced
		}
		return stateFenced
	case stateUnfenced:
		switch {
		case req.WantShutdown && (req.WantFence || !e.leads(b.ID)):
			return stateShutdownNow
		case req.WantFence:
			return stateFenced
		case req.WantShutdown:
			return stateControlled
		}
		return stateUnfenced
	}
	if !e.leads(b.ID) && e.Live.shutdownOffset(b.ID) <= e.Live.lowestOffset(e.Image) {
		return stateShutdownNow
	}
	return stateControlled
}

// directories notes which log directories failed, or take no new replicas.
func (e *Env) directories(d *Decision, b *image.Broker, req *kmsg.BrokerHeartbeatRequest) {
	if e.mv().SupportsDirectories() {
		e.directoriesFailed(d, b, req.OfflineLogDirs)
	}
	if e.mv().SupportsCordonedDirs() && req.CordonedLogDirs != nil {
		cordoned := make([]ids.DirectoryID, len(req.CordonedLogDirs))
		for i, dir := range req.CordonedLogDirs {
			cordoned[i] = dir
		}
		if b.CordonedDirs == nil || !slices.Equal(sortedDirs(b.CordonedDirs), sortedDirs(cordoned)) {
			d.add(&records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, CordonedLogDirs: cordoned}, 3)
		}
	}
}

func (e *Env) directoriesFailed(d *Decision, b *image.Broker, offline [][16]byte) {
	var failed, left []ids.DirectoryID
	for _, dir := range b.Directories {
		if slices.Contains(offline, [16]byte(dir)) {
			failed = append(failed, dir)
		} else {
			left = append(left, dir)
		}
	}
	if len(failed) == 0 {
		return
	}
	e.shiftLeaders(d, shift{leaves: b.ID, joins: ids.NoNode, lost: ids.NoNode}, everyPartition, func(p *image.Partition) bool {
		dir, ok := p.DirectoryOf(b.ID)
		return ok && slices.Contains(failed, dir)
	})
	d.add(&records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, LogDirs: left}, 2)
}

func sortedDirs(dirs []ids.DirectoryID) []ids.DirectoryID {
	out := slices.Clone(dirs)
	slices.SortFunc(out, func(a, b ids.DirectoryID) int { return slices.Compare(a[:], b[:]) })
	return out
}
