package decide

import (
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The numbered cases of docs/reliability, as far as the controller decides them.

// returns registers a broker as a new process, when its session is over, and has it unfenced.
// clean: it says that it ended in order.
func (e *Env) returns(t *testing.T, id int32, clean bool) {
	t.Helper()
	e.Now += 9000
	req := registrationOf(id, byte(e.NextOffset))
	if clean {
		req.PreviousBrokerEpoch = e.Image.Cluster.Broker(ids.NodeID(id)).Epoch
	}
	d, err := RegisterBroker(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	e.beat(t, id, d.Reply.(*kmsg.BrokerRegistrationResponse).BrokerEpoch, nil)
}

// trioWithoutELR is trio without eligible leaders.
func trioWithoutELR(t *testing.T) *Env {
	e, _ := trio(t, false)
	e.apply(t, Decision{Records: []records.Versioned{{Record: &records.FeatureLevelRecord{Name: image.ELRVersionFeature}}}})
	return e
}

func (e *Env) expects(t *testing.T, what string, leader ids.NodeID, isr, elr []ids.NodeID) {
	t.Helper()
	if p := e.only(); p.Leader != leader || !slices.Equal(p.ISR, isr) || !slices.Equal(p.ELR, elr) {
		t.Errorf("%s: %+v", what, *p)
	}
}

// TestCase1TheLastReplicaStandingLostItsEnd: the last of the ISR lost power, and comes back
// first. It may lack what was acknowledged, and waits for the one that has it (KIP-966).
func TestCase1TheLastReplicaStandingLostItsEnd(t *testing.T) {
	one := []ids.NodeID{1}
	e, _ := trio(t, false)
	e.apply(t, Fence(e, 3))
	e.apply(t, Fence(e, 2))
	e.expects(t, "one is left", 1, one, []ids.NodeID{2})
	e.apply(t, Fence(e, 1))
	e.expects(t, "none is left", ids.NoNode, nil, []ids.NodeID{1, 2})
	e.returns(t, 1, false)
	e.expects(t, "the last comes first", ids.NoNode, nil, []ids.NodeID{2})
	e.returns(t, 3, true)
	e.expects(t, "the one that lagged behind", ids.NoNode, nil, []ids.NodeID{2})
	e.returns(t, 2, true)
	e.expects(t, "the one that has everything", 2, []ids.NodeID{2}, nil)
	if p := e.only(); p.Recovering || len(p.LastKnownELR) > 0 {
		t.Errorf("%+v", *p)
	}
}

// TestCase2ABrokerWithAnEmptyDiskDoesNotLead: the only one in sync comes back with another
// disk (KAFKA-15495). Without eligible leaders it stays in the ISR, for somebody has to, but its
// replica is in a directory that it does not have.
func TestCase2ABrokerWithAnEmptyDiskDoesNotLead(t *testing.T) {
	for _, elr := range []bool{true, false} {
		e, _ := trio(t, false)
		if !elr {
			e = trioWithoutELR(t)
		}
		e.apply(t, Fence(e, 3))
		e.apply(t, Fence(e, 2))
		e.Now += 9000
		req := registrationOf(1, 7)
		req.LogDirs = [][16]byte{{1, 222}}
		d, err := RegisterBroker(e, req)
		if err != nil {
			t.Fatal(err)
		}
		e.apply(t, d)
		e.beat(t, 1, d.Reply.(*kmsg.BrokerRegistrationResponse).BrokerEpoch, nil)
		if p := e.only(); p.HasLeader() || elr == slices.Contains(p.ISR, 1) || slices.Contains(p.ELR, 1) {
			t.Errorf("eligible leaders %v: %+v", elr, *p)
		}
		e.returns(t, 2, true)
		if p := e.only(); elr && (p.Leader != 2 || p.Recovering) || !elr && p.HasLeader() {
			t.Errorf("eligible leaders %v: %+v", elr, *p)
		}
	}
}

// TestCase4AllLosePower: all replicas lost power, one after the other, and none ended in order.
// Nobody is known to have everything; the last leader, who has most, is taken, and the partition
// says that records may be lost.
func TestCase4AllLosePower(t *testing.T) {
	e, _ := trio(t, false)
	for _, id := range []ids.NodeID{3, 2, 1} {
		e.apply(t, Fence(e, id))
	}
	e.returns(t, 2, false)
	e.expects(t, "the second", ids.NoNode, nil, []ids.NodeID{1})
	e.returns(t, 3, false)
	e.expects(t, "the third", ids.NoNode, nil, []ids.NodeID{1})
	e.returns(t, 1, false)
	e.expects(t, "the last leader", 1, []ids.NodeID{1}, nil)
	if p := e.only(); !p.Recovering || len(p.LastKnownELR) > 0 {
		t.Errorf("%+v", *p)
	}
	// Others join when it has recovered only.
	if code := e.alters(t, 1, 1, 2); code != kerr.InvalidRequest.Code {
		t.Errorf("grows while it recovers: %d", code)
	}
}

// TestCase12NobodyWhoGoesJoins: a broker that is fenced, or about to be, is not taken into
// the ISR (KIP-841).
func TestCase12NobodyWhoGoesJoins(t *testing.T) {
	e, _ := trio(t, false)
	e.apply(t, Fence(e, 3))
	if code := e.alters(t, 0, 1, 2, 3); code != kerr.IneligibleReplica.Code {
		t.Errorf("fenced: %d", code)
	}
	e.returns(t, 3, true)
	if code := e.alters(t, 0, 1, 2, 3); code != 0 {
		t.Fatalf("back again: %d", code)
	}
	req := kmsg.NewPtrCreateTopicsRequest() // for 3 to lead something, or it may go at once
	req.Topics = append(req.Topics, on(topic("other", -1, -1), []int32{3, 1}))
	d, err := CreateTopics(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	e.beat(t, 3, e.Image.Cluster.Broker(3).Epoch, func(r *kmsg.BrokerHeartbeatRequest) { r.WantShutdown = true })
	if b := e.Image.Cluster.Broker(3); !b.InControlledShutdown || slices.Contains(e.only().ISR, 3) {
		t.Fatalf("%+v %+v", *b, *e.only())
	}
	if code := e.alters(t, 0, 1, 2, 3); code != kerr.IneligibleReplica.Code {
		t.Errorf("shutting down: %d", code)
	}
}

// TestCase13AFollowerThatRebootedIsAnother: the leader asks to take in a follower by what it
// knew of it before that was started anew (KIP-903).
func TestCase13AFollowerThatRebootedIsAnother(t *testing.T) {
	e, id := trio(t, false)
	if code := e.alters(t, 0, 1, 2); code != 0 {
		t.Fatal(code)
	}
	asks := func(epoch int64) int16 {
		p := e.only()
		req := alter(3, id, e.Image.Cluster.Broker(1).Epoch, 1, 2, 3)
		in := &req.Topics[0].Partitions[0]
		in.LeaderEpoch, in.PartitionEpoch = int32(p.LeaderEpoch), p.PartitionEpoch
		in.NewEpochISR[0].BrokerEpoch, in.NewEpochISR[1].BrokerEpoch, in.NewEpochISR[2].BrokerEpoch = -1, -1, epoch
		d, err := AlterPartition(e, req)
		if err != nil {
			t.Fatal(err)
		}
		e.apply(t, d)
		return d.Reply.(*kmsg.AlterPartitionResponse).Topics[0].Partitions[0].ErrorCode
	}
	before := e.Image.Cluster.Broker(3).Epoch
	e.returns(t, 3, false)
	if code := asks(before); code != kerr.IneligibleReplica.Code || slices.Contains(e.only().ISR, 3) {
		t.Errorf("under its former epoch: %d %+v", code, *e.only())
	}
	if code := asks(e.Image.Cluster.Broker(3).Epoch); code != 0 || !slices.Contains(e.only().ISR, 3) {
		t.Errorf("under its epoch: %d %+v", code, *e.only())
	}
}

// TestCase15ATopicThatIsBackIsAnother: what leaders and brokers have to say of a topic that
// was deleted does not reach the one that has its name now.
func TestCase15ATopicThatIsBackIsAnother(t *testing.T) {
	e, old := trio(t, false)
	epoch := e.Image.Cluster.Broker(1).Epoch
	e.apply(t, Decision{Records: []records.Versioned{{Record: &records.RemoveTopicRecord{TopicID: old}}}})
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, on(topic("t", -1, -1), []int32{1, 2, 3}))
	d, err := CreateTopics(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	if now := e.Image.Topics.ByName("t").ID; now == old {
		t.Fatalf("the same id %v", now)
	}
	d, err = AlterPartition(e, alter(3, old, epoch, 1))
	if code := d.Reply.(*kmsg.AlterPartitionResponse).Topics[0].Partitions[0].ErrorCode; err != nil || code != kerr.UnknownTopicID.Code || len(d.Records) > 0 {
		t.Errorf("alters: %d %v %v", code, err, d.Records)
	}
	d, err = AssignReplicasToDirs(e, assign(ids.DirectoryID{9, 9}, old, epoch, 0))
	if code := d.Reply.(*kmsg.AssignReplicasToDirsResponse).Directories[0].Topics[0].Partitions[0].ErrorCode; err != nil || code != kerr.UnknownTopicID.Code || len(d.Records) > 0 {
		t.Errorf("assigns: %d %v %v", code, err, d.Records)
	}
}

// TestCase16AnotherProcessIsAnotherLeader: a leader that comes back before its session is over
// for all leads nothing, and its partitions are in new epochs (KAFKA-18106).
func TestCase16AnotherProcessIsAnotherLeader(t *testing.T) {
	for _, elr := range []bool{true, false} {
		for _, clean := range []bool{true, false} {
			e, _ := trio(t, false)
			if !elr {
				e = trioWithoutELR(t)
			}
			before := *e.only()
			e.Now += 9000 // nobody looked yet whether a session is over
			req := registrationOf(1, 9)
			if clean {
				req.PreviousBrokerEpoch = e.Image.Cluster.Broker(1).Epoch
			}
			d, err := RegisterBroker(e, req)
			if err != nil {
				t.Fatal(err)
			}
			e.apply(t, d)
			if p := e.only(); p.Leader != 2 || p.LeaderEpoch != before.LeaderEpoch+1 || !slices.Equal(p.ISR, []ids.NodeID{2, 3}) {
				t.Errorf("eligible leaders %v, clean %v: %+v", elr, clean, *p)
			}
			if b := e.Image.Cluster.Broker(1); !b.Fenced || b.Epoch <= e.Image.Cluster.Broker(3).Epoch {
				t.Errorf("%+v", *b)
			}
		}
	}
}
