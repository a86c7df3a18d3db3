package decide

import (
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Values of BrokerRegistrationChangeRecord.
const (
	fenceChange   int8 = 1
	unfenceChange int8 = -1
)

// shift says how the set of brokers that may lead changes; NoNode for nobody.
type shift struct {
	leaves ids.NodeID // leads no more and leaves every ISR
	joins  ids.NodeID // may lead, though the image still shows it fenced
	lost   ids.NodeID // came back without its unflushed records: out of ISR and ELR
}

// everyPartition stands for the broker that all partitions concern.
const everyPartition ids.NodeID = -2

// eachOf calls f, until it returns false, for every partition that has broker in
// its ISR or ELR, or no leader if broker is NoNode; and maybe for others.
func (e *Env) eachOf(broker ids.NodeID, f func(*image.Topic, int32, *image.Partition) bool) {
	if e.Members != nil && broker != everyPartition {
		e.Members().Each(e.Image.Topics, broker, f)
		return
	}
	e.Image.Topics.Each(func(t *image.Topic) bool {
		for i, p := range t.Partitions {
			if !f(t, int32(i), p) {
				return false
			}
		}
		return true
	})
}

// shiftLeaders appends the changes of those partitions of a broker, as eachOf
// finds them, that meet which.
func (e *Env) shiftLeaders(d *Decision, s shift, broker ids.NodeID, which func(*image.Partition) bool) {
	live := func(id ids.NodeID) bool {
		return id != s.leaves && id != s.lost && (id == s.joins || e.active(id))
	}
	var topic *image.Topic // that how and minISR are of
	how, minISR := online, 0
	e.eachOf(broker, func(t *image.Topic, i int32, p *image.Partition) bool {
		if !which(p) {
			return true
		}
		if t != topic {
			topic, how, minISR = t, online, e.minISR(t)
			if e.uncleanElection(t.Name) {
				how = unclean
			}
		}
		c := e.newChange(p, minISR, live)
		c.election = how
		e.shiftLeader(d, s, c, t.ID, i)
		return true
	})
}

func (e *Env) shiftLeader(d *Decision, s shift, c *change, topic ids.TopicID, index int32) {
	if s.lost != ids.NoNode {
		c.lost = []ids.NodeID{s.lost}
	}
	c.isr = without(without(c.isr, s.leaves), s.lost)
	if r := c.record(topic, index); r != nil {
		d.add(r, e.mv().PartitionVersion())
	}
}

func inISR(id ids.NodeID) func(*image.Partition) bool {
	return func(p *image.Partition) bool {
		for _, r := range p.ISR {
			if r == id {
				return true
			}
		}
		return false
	}
}

func inISRorELR(id ids.NodeID) func(*image.Partition) bool {
	in := inISR(id)
	return func(p *image.Partition) bool {
		if in(p) {
			return true
		}
		for _, r := range p.ELR {
			if r == id {
				return true
			}
		}
		return false
	}
}

// fence takes a broker's leaderships away and marks it.
func (e *Env) fence(d *Decision, b *image.Broker) {
	e.shiftLeaders(d, shift{leaves: b.ID, joins: ids.NoNode, lost: ids.NoNode}, b.ID, inISR(b.ID))
	d.add(&records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: fenceChange}, 0)
}

// unfence marks a broker and gives it the partitions that wait for it, but not those
// whose directory failed, as the same heartbeat says: nothing would take them away again.
func (e *Env) unfence(d *Decision, b *image.Broker, failed [][16]byte) {
	d.add(&records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: unfenceChange}, 0)
	e.shiftLeaders(d, shift{leaves: ids.NoNode, joins: b.ID, lost: ids.NoNode}, ids.NoNode, func(p *image.Partition) bool {
		dir, _ := p.DirectoryOf(b.ID)
		return !p.HasLeader() && !slices.Contains(failed, [16]byte(dir))
	})
}

// enterShutdown moves leaderships away from a broker that wants to stop.
func (e *Env) enterShutdown(d *Decision, b *image.Broker) {
	if !b.InControlledShutdown {
		d.add(&records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, InControlledShutdown: 1}, 1)
	}
	e.shiftLeaders(d, shift{leaves: b.ID, joins: ids.NoNode, lost: ids.NoNode}, b.ID, inISR(b.ID))
}

// cleanUp handles the partitions of a broker that comes back as a new process.
func (e *Env) cleanUp(d *Decision, id ids.NodeID, clean bool) {
	if e.elr() && !clean {
		e.shiftLeaders(d, shift{leaves: ids.NoNode, joins: ids.NoNode, lost: id}, id, inISRorELR(id))
		return
	}
	e.shiftLeaders(d, shift{leaves: id, joins: ids.NoNode, lost: ids.NoNode}, id, inISR(id))
}

// Fence fences a broker that was not heard of for a session.
func Fence(e *Env, id ids.NodeID) Decision {
	var d Decision
	if b := e.Image.Cluster.Broker(id); b != nil && !b.Fenced {
		e.fence(&d, b)
		d.Touch = &Touch{Broker: id, Epoch: b.Epoch, Fenced: true}
	}
	return d
}

// FenceDead fences a broker whose process is known to have ended, and ends its session,
// so that it can come back at once. One that came back already has another epoch and is left alone.
func FenceDead(e *Env, id ids.NodeID, epoch int64) Decision {
	b := e.Image.Cluster.Broker(id)
	if b == nil || b.Epoch != epoch {
		return Decision{}
	}
	d := Fence(e, id)
	d.Touch = &Touch{Broker: id, Epoch: epoch, Fenced: true, Gone: true}
	return d
}

// leads tells whether a broker leads any partition.
func (e *Env) leads(id ids.NodeID) bool {
	found := false
	e.eachOf(id, func(_ *image.Topic, _ int32, p *image.Partition) bool {
		found = p.Leader == id
		return !found
	})
	return found
}
