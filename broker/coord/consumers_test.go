package coord

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (w *world) set(resource int8, group, name, value string) {
	w.apply(&records.ConfigRecord{ResourceType: resource, ResourceName: group, Name: name, Value: &value})
}

func TestSettingsOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		values, _ := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker", "group.consumer.max.session.timeout.ms": "50000"})
		s := settings{values, w.replicas.Image}
		if got := s.of("g"); got != (consumer.Settings{SessionTimeout: 45_000, HeartbeatInterval: 5_000, AssignmentInterval: -1}) {
			t.Fatalf("without its own: %+v", got)
		}
		w.set(image.GroupResource, "g", "consumer.session.timeout.ms", "58000")
		w.set(image.GroupResource, "g", "consumer.heartbeat.interval.ms", "7000")
		w.set(image.BrokerResource, "", "group.consumer.assignment.interval.ms", "300")
		if got := s.of("g"); got != (consumer.Settings{SessionTimeout: 50_000, HeartbeatInterval: 7_000, AssignmentInterval: 300}) {
			t.Fatalf("its own, within the bounds: %+v", got)
		}
		if got := s.of("h"); got.HeartbeatInterval != 5_000 || got.AssignmentInterval != 300 {
			t.Fatalf("another group: %+v", got)
		}
		w.set(image.BrokerResource, "2", "group.consumer.assignment.interval.ms", "100")
		w.set(image.BrokerResource, "1", "group.consumer.assignment.interval.ms", "200")
		if got := s.of("g").AssignmentInterval; got != 200 {
			t.Fatalf("of this broker: %d", got)
		}
		w.groups.Close()
	})
}

func TestConsumersFollowTopicsAndFeatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var last *kmsg.ConsumerGroupHeartbeatResponse
		beat := func(epoch int32) {
			r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, "g", "m", epoch, -1
			if epoch == 0 {
				r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 60_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
			}
			w.groups.ConsumerGroupHeartbeat(groupcoord.Caller{}, r, func(r *kmsg.ConsumerGroupHeartbeatResponse) { last = r })
			synctest.Wait()
		}
		if beat(0); last.ErrorCode != kerr.UnsupportedVersion.Code {
			t.Fatalf("without the feature: %+v", last)
		}
		w.apply(&records.FeatureLevelRecord{Name: image.GroupVersionFeature, FeatureLevel: 1})
		if beat(0); last.ErrorCode != 0 || len(last.Assignment.Topics[0].Partitions) != 3 {
			t.Fatalf("joins: %+v", last)
		}
		p := w.img.Topics.ByName("t").Partitions[0]
		w.apply(&records.PartitionRecord{PartitionID: 3, TopicID: topicID, Replicas: p.Replicas, ISR: p.ISR, Leader: p.Leader, Directories: p.Directories})
		time.Sleep(time.Second) // the bubble's: it assigns again by itself
		if beat(2); last.MemberEpoch != 3 || len(last.Assignment.Topics[0].Partitions) != 4 {
			t.Fatalf("a topic that grew: %+v", last)
		}
		w.groups.Close()
	})
}
