package decide

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// reassigns asks for replicas of partition 0 of "t" and returns the code; nil cancels.
func (e *Env) reassigns(t failer, replicas ...int32) int16 {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Version = 1
	req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "t", Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: replicas}}}}
	d, err := AlterPartitionReassignments(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	return d.Reply.(*kmsg.AlterPartitionAssignmentsResponse).Topics[0].Partitions[0].ErrorCode
}

// TestReassignment goes through a whole one: the new replica is added, nothing
// ends before it is in sync, then the old one goes.
func TestReassignment(t *testing.T) {
	e, _ := trio(t, false)
	e.join(t, 4, 1)
	check := func(what string, code int16, replicas, isr, adding, removing []ids.NodeID) {
		t.Helper()
		if p := e.only(); code != 0 || !slices.Equal(p.Replicas, replicas) || !slices.Equal(p.ISR, isr) || !slices.Equal(p.Adding, adding) || !slices.Equal(p.Removing, removing) || !p.HasLeader() {
			t.Errorf("%s: code %d, %+v", what, code, *p)
		}
	}
	n := func(x ...ids.NodeID) []ids.NodeID { return x }
	check("begins", e.reassigns(t, 4, 2, 3), n(4, 2, 3, 1), n(1, 2, 3), n(4), n(1))
	if p := e.only(); p.Leader != 1 || p.LeaderEpoch != 0 {
		t.Errorf("the leader changed too early: %+v", *p)
	}
	check("shrinks", e.alters(t, 0, 1, 2), n(4, 2, 3, 1), n(1, 2), n(4), n(1))
	if code := e.alters(t, 0, 1, 2, 4); code != kerr.NewLeaderElected.Code {
		t.Errorf("the leader that goes is told %d", code)
	}
	check("has ended", 0, n(4, 2, 3), n(2, 4), nil, nil)
	check("another order", e.reassigns(t, 2, 3, 4), n(2, 3, 4), n(2, 4), nil, nil)
	check("fewer", e.reassigns(t, 2, 4), n(2, 4), n(2, 4), nil, nil)
	check("one that is out of sync", e.reassigns(t, 2, 4, 3), n(2, 4, 3), n(2, 4), n(3), nil)
	check("cancelled", e.reassigns(t), n(2, 4), n(2, 4), nil, nil)
	if code := e.reassigns(t); code != kerr.NoReassignmentInProgress.Code {
		t.Errorf("cancelled twice: %d", code)
	}
}

// TestCancelWouldLoseRecords: all that are in sync came with the reassignment.
func TestCancelWouldLoseRecords(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		e, _ := trio(t, lossy)
		e.join(t, 4, 1)
		if code := e.reassigns(t, 4, 2, 3); code != 0 {
			t.Fatal(code)
		}
		e.change(t, records.PartitionChangeRecord{Leader: 4, LeaderRecoveryState: -1, ISR: []ids.NodeID{4}})
		code, p := e.reassigns(t), e.only()
		switch {
		case !lossy && (code != kerr.InvalidReplicaAssignment.Code || !p.Reassigning()):
			t.Errorf("code %d %+v", code, *p)
		case lossy && (code != 0 || p.Reassigning() || p.Leader == 4 || len(p.ISR) != 1):
			t.Errorf("code %d %+v", code, *p)
		}
	}
}

// TestReassignmentsUnderWay: whatever is asked for, cancelled and altered, and
// whoever is fenced meanwhile, the partition keeps a sound state, and a
// reassignment begun from rest ends with what it aimed at.
func TestReassignmentsUnderWay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e, _ := trio(t, false)
		epoch := map[int32]int64{}
		for id := int32(1); id <= 5; id++ {
			if id > 3 {
				e.join(t, id, 1)
			}
			epoch[id] = e.Image.Cluster.Broker(ids.NodeID(id)).Epoch
		}
		w := &world{Env: e, t: rt, epoch: epoch, next: 1}
		before, target := e.only().Replicas, []ids.NodeID(nil)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch w.n(5, "op") {
			case 0:
				var want []int32
				for id := int32(1); id <= 5; id++ {
					if w.n(1, "in") == 1 {
						want = append(want, id)
					}
				}
				rest, old := !e.only().Reassigning(), e.only().Replicas
				if len(want) > 0 && e.reassigns(rt, want...) == 0 {
					if target = nil; rest {
						before, target = old, nodes(want)
					}
				}
			case 1:
				if e.only().Reassigning() && e.reassigns(rt) == 0 {
					if target != nil && !slices.Equal(slices.Sorted(slices.Values(e.only().Replicas)), slices.Sorted(slices.Values(before))) {
						rt.Fatalf("cancelled from %v to %v: %+v", before, target, *e.only())
					}
					target = nil
				}
			case 2:
				rt2 := ids.NodeID(1 + w.n(4, "broker"))
				if b := e.Image.Cluster.Broker(rt2); !b.Fenced {
					e.apply(rt, Fence(e, rt2))
				}
			case 3:
				w.heartbeat(int32(1+w.n(4, "broker")), func(*kmsg.BrokerHeartbeatRequest) {})
			default:
				w.joinISR()
			}
			w.check()
			if p := e.only(); target != nil && !p.Reassigning() {
				if !slices.Equal(p.Replicas, target) {
					rt.Fatalf("ended with %v for %v", p.Replicas, target)
				}
				target = nil
			}
		}
	})
}

// joinISR lets the leader take all live replicas into the ISR.
func (w *world) joinISR() {
	p := w.only()
	if !p.HasLeader() {
		return
	}
	req := alter(3, w.Image.Topics.ByName("t").ID, w.Image.Cluster.Broker(p.Leader).Epoch)
	req.BrokerID = int32(p.Leader)
	in := &req.Topics[0].Partitions[0]
	in.NewEpochISR = nil
	for _, r := range p.Replicas {
		if w.active(r) {
			in.NewEpochISR = append(in.NewEpochISR, kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{BrokerID: int32(r), BrokerEpoch: -1})
		}
	}
	in.LeaderEpoch, in.PartitionEpoch = int32(p.LeaderEpoch), p.PartitionEpoch
	d, err := AlterPartition(w.Env, req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.apply(w.t, d)
}

func TestLeadersAreBalanced(t *testing.T) {
	e, _ := trio(t, false)
	e.change(t, records.PartitionChangeRecord{Leader: 2, LeaderRecoveryState: -1})
	d, more := BalanceLeaders(e)
	if e.apply(t, d); more || e.only().Leader != 1 {
		t.Errorf("%+v", *e.only())
	}
	if d, _ := BalanceLeaders(e); len(d.Records) > 0 {
		t.Errorf("balanced again: %+v", d.Records)
	}
	e.change(t, records.PartitionChangeRecord{Leader: 2, LeaderRecoveryState: -1, ISR: []ids.NodeID{2, 3}})
	if d, _ := BalanceLeaders(e); len(d.Records) > 0 {
		t.Errorf("one that is out of sync was preferred: %+v", d.Records)
	}
}

// TestUnfencingIsFinished: an active controller ended when it had appended that broker 2 is
// unfenced, but not yet what that broker is to lead.
func TestUnfencingIsFinished(t *testing.T) {
	e, _ := trio(t, false)
	e.apply(t, Fence(e, 3))
	e.apply(t, Fence(e, 1))
	e.apply(t, Fence(e, 2))
	b := e.Image.Cluster.Broker(2)
	e.apply(t, Decision{Records: []records.Versioned{{Record: &records.BrokerRegistrationChangeRecord{BrokerID: 2, BrokerEpoch: b.Epoch, Fenced: unfenceChange}}}})
	if e.only().HasLeader() {
		t.Fatalf("%+v", *e.only())
	}
	d, more := BalanceLeaders(e)
	if e.apply(t, d); more || e.only().Leader != 2 || e.only().Recovering {
		t.Errorf("%+v", *e.only())
	}
}

func TestUncleanLeadersAreFound(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		e, _ := trio(t, false)
		e.change(t, records.PartitionChangeRecord{Leader: 2, LeaderRecoveryState: -1, ISR: []ids.NodeID{2}, EligibleLeaderReplicas: []ids.NodeID{}})
		e.change(t, records.PartitionChangeRecord{Leader: ids.NoNode, LeaderRecoveryState: -1, ISR: []ids.NodeID{}, EligibleLeaderReplicas: []ids.NodeID{}, LastKnownELR: []ids.NodeID{}})
		if lossy { // told after the leader was gone
			value := "true"
			e.apply(t, Decision{Records: []records.Versioned{{Record: &records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: "t", Name: "unclean.leader.election.enable", Value: &value}}}})
		}
		d, more := ElectUnclean(e)
		e.apply(t, d)
		if p := e.only(); more || p.HasLeader() != lossy || p.Recovering != lossy {
			t.Errorf("unclean %v: %+v", lossy, *p)
		}
	}
}
