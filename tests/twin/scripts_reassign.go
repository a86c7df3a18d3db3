package twin

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// farBroker is a broker that is registered and fenced for as long as a script
// runs: replicas can be assigned to it and never come in sync.
const farBroker = 77

// withFarBroker registers farBroker, runs ask and lets the broker go again, so
// that no other script sees it.
func (r *Run) withFarBroker(ask func()) {
	reg := kmsg.NewPtrBrokerRegistrationRequest()
	reg.Version, reg.BrokerID, reg.ClusterID, reg.PreviousBrokerEpoch = 4, farBroker, r.clusterID(), -1
	reg.IncarnationID, reg.LogDirs = [16]byte{farBroker, 1}, [][16]byte{{farBroker, 2}}
	reg.Listeners = []kmsg.BrokerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "far", Port: 1}}
	for name, top := range map[string]int16{"eligible.leader.replicas.version": 1, "group.version": 1, "kraft.version": 1, "share.version": 1,
		"streams.version": 1, "transaction.version": 2, "metadata.version": 30} {
		reg.Features = append(reg.Features, kmsg.BrokerRegistrationRequestFeature{Name: name, MinSupportedVersion: 0, MaxSupportedVersion: top})
	}
	if resp := r.doController(reg).(*kmsg.BrokerRegistrationResponse); resp.ErrorCode != 0 {
		panic(setupFailed{fmt.Errorf("register broker: %s", codeName(resp.ErrorCode))})
	}
	defer func() {
		gone := kmsg.NewPtrUnregisterBrokerRequest()
		gone.BrokerID = farBroker
		r.doController(gone)
	}()
	ask()
}

func (r *Run) clusterID() string {
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.Topics = 7, []kmsg.MetadataRequestTopic{}
	return *r.Do(req).(*kmsg.MetadataResponse).ClusterID
}

// doController is Do on the controller listener.
func (r *Run) doController(req kmsg.Request) kmsg.Response {
	resp, _, err := r.controller().roundTrip(req)
	if err != nil {
		panic(setupFailed{fmt.Errorf("%s: %s", kmsg.NameForKey(req.Key()), r.failure(err))})
	}
	return resp
}

// reassign asks for replicas of partition 0; nil cancels.
func reassign(topic string, replicas ...int32) *kmsg.AlterPartitionAssignmentsRequest {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = 10000
	if topic != "" {
		req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: replicas}}}}
	}
	return req
}

func reassignments(topic string, partitions ...int32) *kmsg.ListPartitionReassignmentsRequest {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.TimeoutMillis = 10000
	if topic != "" {
		req.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: topic, Partitions: partitions}}
	}
	return req
}

// moving asks each set of replicas in turn while the far broker is there, and
// lists after each what is under way.
func moving(sets ...[]int32) func(*Run) {
	return func(r *Run) {
		t := r.Topic("t", 1)
		r.withFarBroker(func() {
			for _, s := range sets {
				r.Send(reassign(t, s...))
				r.Send(reassignments(t, 0))
				r.showReplicas(t)
			}
		})
	}
}

// showReplicas writes the partition down as Metadata tells it. Kafka answers a
// reassignment before the broker knows of it; what it learns comes in order, so
// it does when it knows a topic that was made later.
func (r *Run) showReplicas(topic string) {
	r.Topic(fmt.Sprint("after", r.sent), 1)
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	p := r.Do(req).(*kmsg.MetadataResponse).Topics[0].Partitions[0]
	r.out = append(r.out, fmt.Sprintf("%d replicas %v in sync %v leader %d", r.sent, p.Replicas, p.ISR, p.Leader))
}

func reassignScripts() []Script {
	alter := func(name string, run func(*Run)) Script { return Script{Key: 45, Name: name, Run: run} }
	list := func(name string, run func(*Run)) Script { return Script{Key: 46, Name: name, Run: run} }
	hide := []string{"] leader"}
	return []Script{
		alter("to where it is", func(r *Run) { r.Send(reassign(r.Topic("t", 1), 1)) }),
		alter("unknown broker", func(r *Run) { r.Send(reassign(r.Topic("t", 1), 1, 9)) }),
		alter("negative broker", func(r *Run) { r.Send(reassign(r.Topic("t", 1), -1)) }),
		alter("same broker twice", func(r *Run) { r.Send(reassign(r.Topic("t", 1), 1, 1)) }),
		alter("no replicas", func(r *Run) { r.Send(reassign(r.Topic("t", 1), []int32{}...)) }),
		alter("empty replicas", func(r *Run) {
			req := reassign(r.Topic("t", 1))
			req.Topics[0].Partitions[0].Replicas = []int32{}
			r.Send(req)
		}),
		alter("cancel what is not under way", func(r *Run) { r.Send(reassign(r.Topic("t", 1))) }),
		alter("unknown topic", func(r *Run) { r.Send(reassign(r.Name("none"), 1)) }),
		alter("unknown partitions", func(r *Run) {
			req := reassign(r.Topic("t", 1), 1)
			for _, p := range []int32{7, -1} {
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.AlterPartitionAssignmentsRequestTopicPartition{Partition: p, Replicas: []int32{1}})
			}
			r.Send(req)
		}),
		alter("same partition twice", func(r *Run) {
			req := reassign(r.Topic("t", 1), 1)
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
			r.Send(req)
		}),
		alter("nothing", func(r *Run) { r.Send(reassign("")) }),
		alter("no time", func(r *Run) {
			req := reassign(r.Topic("t", 1), 1)
			req.TimeoutMillis = 0
			r.Send(req)
		}),
		{Key: 45, Name: "add a replica and cancel", Hide: hide, Run: moving([]int32{1, farBroker}, nil)},
		{Key: 45, Name: "move away and cancel", Hide: hide, Run: moving([]int32{farBroker}, nil)},
		{Key: 45, Name: "add a replica and give it up for what there was", Hide: hide, Run: moving([]int32{1, farBroker}, []int32{1})},
		{Key: 45, Name: "another order, then away", Hide: hide, Run: moving([]int32{farBroker, 1}, []int32{farBroker}, []int32{1})},
		{Key: 45, Name: "replication factor may not change", From: 1, Run: func(r *Run) {
			t := r.Topic("t", 1)
			r.withFarBroker(func() {
				req := reassign(t, 1, farBroker)
				req.AllowReplicationFactorChange = false
				r.Send(req)
				req = reassign(t, farBroker)
				req.AllowReplicationFactorChange = false
				r.Send(req)
				r.Send(reassignments(t, 0))
			})
		}},
		{Key: 45, Name: "on the controller listener", Controller: true, Run: func(r *Run) { r.Send(reassign(r.Topic("t", 1), 1)) }},
		list("everything", func(r *Run) { r.Send(reassignments("")) }),
		list("one that is not under way", func(r *Run) { r.Send(reassignments(r.Topic("t", 2), 0, 1)) }),
		list("unknown topic", func(r *Run) { r.Send(reassignments(r.Name("none"), 0)) }),
		list("unknown partition", func(r *Run) { r.Send(reassignments(r.Topic("t", 1), 0, 7, -1)) }),
		list("no topics", func(r *Run) {
			req := reassignments("")
			req.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{}
			r.Send(req)
		}),
		list("under way", func(r *Run) {
			t := r.Topic("t", 2)
			r.withFarBroker(func() {
				req := reassign(t, 1, farBroker)
				req.Version = 1
				r.Do(req)
				r.Send(reassignments(""))
				r.Send(reassignments(t, 0, 1))
			})
		}),
	}
}
