package decide

import (
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// RegisterBroker lets a broker join, or join again. A new incarnation starts
// fenced, with the offset of its registration as its epoch, and its former
// leaderships are taken away in the same batch.
func RegisterBroker(e *Env, req *kmsg.BrokerRegistrationRequest) (Decision, error) {
	existing := e.Image.Cluster.Broker(ids.NodeID(req.BrokerID))
	if err := e.checkRegistration(req, existing); err != nil {
		return Decision{}, err
	}
	rec := registration(req)
	if e.mv().SupportsDirectories() {
		for _, dir := range req.LogDirs {
			rec.LogDirs = append(rec.LogDirs, dir)
		}
	}
	d := Decision{Atomic: true}
	again := existing != nil && existing.Incarnation == ids.UUID(req.IncarnationID)
	if again {
		rec.BrokerEpoch, rec.Fenced, rec.InControlledShutdown = existing.Epoch, existing.Fenced, existing.InControlledShutdown
	} else {
		rec.BrokerEpoch, rec.Fenced = int64(e.NextOffset), true
		clean := req.Version >= 3 && existing != nil && req.PreviousBrokerEpoch == existing.Epoch
		e.cleanUp(&d, rec.BrokerID, clean)
		// A broker may have led any number of partitions, more than one batch holds.
		d.Atomic = len(d.Records) < MaxRecords
	}
	d.add(rec, e.mv().RegisterBrokerVersion())
	d.Touch = &Touch{Broker: rec.BrokerID, Epoch: rec.BrokerEpoch, Registered: true, NewIncarnation: !again, Fenced: rec.Fenced}
	resp := req.ResponseKind().(*kmsg.BrokerRegistrationResponse)
	resp.BrokerEpoch = rec.BrokerEpoch
	d.Reply = resp
	return d, nil
}

func registration(req *kmsg.BrokerRegistrationRequest) *records.RegisterBrokerRecord {
	rec := &records.RegisterBrokerRecord{BrokerID: ids.NodeID(req.BrokerID), IncarnationID: req.IncarnationID, Rack: req.Rack}
	for _, l := range req.Listeners {
		rec.EndPoints = append(rec.EndPoints, records.BrokerEndpoint{Name: l.Name, Host: l.Host, Port: l.Port, SecurityProtocol: l.SecurityProtocol})
	}
	for _, f := range req.Features {
		rec.Features = append(rec.Features, records.BrokerFeature{Name: f.Name, MinSupportedVersion: f.MinSupportedVersion, MaxSupportedVersion: f.MaxSupportedVersion})
	}
	return rec
}

func (e *Env) checkRegistration(req *kmsg.BrokerRegistrationRequest, existing *image.Broker) *Error {
	if req.ClusterID != e.ClusterID {
		return fail(kerr.InconsistentClusterID, "Expected cluster ID %s, but got cluster ID %s", e.ClusterID, req.ClusterID)
	}
	if existing != nil && existing.Incarnation != ids.UUID(req.IncarnationID) && e.stillThere(existing) {
		return fail(kerr.DuplicateBrokerRegistration, "Another broker is registered with that broker id. If the broker was recently restarted this should self-resolve once the heartbeat manager expires the broker's session.")
	}
	if req.IsMigratingZkBroker {
		return fail(kerr.BrokerIDNotRegistered, "Controller does not support registering ZK brokers.")
	}
	if e.mv().SupportsDirectories() {
		if err := e.checkDirectories(req); err != nil {
			return err
		}
	}
	for _, l := range req.Listeners {
		if err := checkProtocol(l.Name, l.SecurityProtocol); err != nil {
			return err
		}
	}
	return e.checkSupport(req)
}

// checkProtocol refuses a listener that no node could read of: Apache Kafka's would
// stop at the record.
func checkProtocol(listener string, protocol int16) *Error {
	if protocol < image.Plaintext || protocol > image.SASLSSL {
		return fail(kerr.UnknownServerError, "Unknown security protocol %d in listener %s", protocol, listener)
	}
	return nil
}

// stillThere tells whether a registered broker must be taken for alive. The
// broker of this very process cannot be: there is one process a node id here,
// which its data directory's lock ensures, and it is asking to come back. One
// that was let go after a controlled shutdown has no session any more; Kafka
// makes it wait until the session would have been over.
func (e *Env) stillThere(b *image.Broker) bool {
	return b.ID != e.ID && e.Live.hasSession(b.ID, b.Epoch, e.Now)
}

func (e *Env) checkDirectories(req *kmsg.BrokerRegistrationRequest) *Error {
	if len(req.LogDirs) == 0 {
		return fail(kerr.InvalidRegistration, "No directories specified in request")
	}
	seen := map[[16]byte]bool{}
	for _, dir := range req.LogDirs {
		if reserved(dir) {
			return fail(kerr.InvalidRegistration, "Reserved directory ID in request")
		}
		seen[dir] = true
	}
	if len(seen) != len(req.LogDirs) {
		return fail(kerr.InvalidRegistration, "Duplicate directory ID in request")
	}
	var err *Error
	e.Image.Cluster.EachBroker(func(b *image.Broker) bool {
		for _, dir := range b.Directories {
			if int32(b.ID) != req.BrokerID && seen[dir] {
				err = fail(kerr.InvalidRegistration, "Broker %d is already registered with directory %v", b.ID, dir)
			}
		}
		return err == nil
	})
	return err
}

// reserved ids are those below 100.
func reserved(dir [16]byte) bool { return [15]byte(dir[:15]) == [15]byte{} && dir[15] < 100 }

// checkSupport checks that the broker can run at every finalized level; a
// feature it does not name it supports at level 0 only.
func (e *Env) checkSupport(req *kmsg.BrokerRegistrationRequest) *Error {
	named := map[string]bool{}
	for _, f := range req.Features {
		named[f.Name] = true
		if err := e.checkRange(f.Name, f.MinSupportedVersion, f.MaxSupportedVersion); err != nil {
			return err
		}
	}
	if !named[image.MetadataVersionFeature] {
		return fail(kerr.InvalidRegistration, "Request features do not contain '%s'", image.MetadataVersionFeature)
	}
	var err *Error
	e.Image.Features.Each(func(name string, _ int16) bool {
		if !named[name] {
			err = e.checkRange(name, 0, 0)
		}
		return err == nil
	})
	if err == nil && !named[image.KRaftVersionFeature] {
		err = e.checkRange(image.KRaftVersionFeature, 0, 0)
	}
	return err
}

func (e *Env) checkRange(name string, low, high int16) *Error {
	level := e.finalized(name)
	if (image.VersionRange{Feature: name, Min: low, Max: high}).Contains(level) {
		return nil
	}
	return fail(kerr.UnsupportedVersion, "Unable to register because the broker does not support finalized version %d of %s. The broker wants a version between %d and %d, inclusive.", level, name, low, high)
}

// finalized is the level of a feature, kraft.version among them.
func (e *Env) finalized(name string) int16 {
	if name == image.KRaftVersionFeature {
		return e.KRaftVersion
	}
	return e.Image.Features.Level(name)
}

// UnregisterBroker makes the cluster forget a broker.
func UnregisterBroker(e *Env, req *kmsg.UnregisterBrokerRequest) (Decision, error) {
	id := ids.NodeID(req.BrokerID)
	b := e.Image.Cluster.Broker(id)
	if b == nil {
		return Decision{}, fail(kerr.BrokerIDNotRegistered, "Broker ID %d is not currently registered", req.BrokerID)
	}
	d := Decision{Reply: req.ResponseKind(), Touch: &Touch{Broker: id, Removed: true}}
	e.shiftLeaders(&d, shift{leaves: id, joins: ids.NoNode, lost: ids.NoNode}, id, func(p *image.Partition) bool {
		return inISR(id)(p) || slices.Contains(p.ELR, id)
	})
	d.add(&records.UnregisterBrokerRecord{BrokerID: id, BrokerEpoch: b.Epoch}, 0)
	return d, nil
}
