package coord

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/protocol/configs"
)

// others are values that differ from the defaults, for every key of groups and
// their offsets.
var others = map[string]string{
	"group.consumer.assignment.interval.ms":        "1234",
	"group.consumer.assignors":                     "range",
	"group.consumer.heartbeat.interval.ms":         "6000",
	"group.consumer.max.assignment.interval.ms":    "1500",
	"group.consumer.max.heartbeat.interval.ms":     "6000",
	"group.consumer.max.session.timeout.ms":        "50000",
	"group.consumer.max.size":                      "7",
	"group.consumer.migration.policy":              "upgrade",
	"group.consumer.min.assignment.interval.ms":    "3000",
	"group.consumer.min.heartbeat.interval.ms":     "8000",
	"group.consumer.min.session.timeout.ms":        "59000",
	"group.consumer.regex.refresh.interval.ms":     "20000",
	"group.consumer.session.timeout.ms":            "46000",
	"group.coordinator.background.threads":         "3",
	"group.coordinator.rebalance.protocols":        "classic",
	"group.initial.rebalance.delay.ms":             "1",
	"group.max.session.timeout.ms":                 "70000",
	"group.max.size":                               "9",
	"group.min.session.timeout.ms":                 "100",
	"gregor.group.heartbeat.hold.max.ms":           "0",
	"gregor.group.rebalance.heartbeat.interval.ms": "0",
	"offset.metadata.max.bytes":                    "1",
	"offsets.commit.timeout.ms":                    "1",
	"offsets.load.buffer.size":                     "1",
	"offsets.retention.check.interval.ms":          "1",
	"offsets.retention.minutes":                    "1",
	"offsets.topic.compression.codec":              "4",
	"offsets.topic.num.partitions":                 "1",
	"offsets.topic.replication.factor":             "1",
	"offsets.topic.segment.bytes":                  "1048576",

	"consumer.assignment.interval.ms": "999",
	"consumer.heartbeat.interval.ms":  "5500",
	"consumer.session.timeout.ms":     "45500",
}

// unread are the keys that say how Kafka is built inside; whoever sets one is warned.
var unread = []string{"group.coordinator.append.linger.ms", "group.coordinator.cached.buffer.max.bytes", "group.coordinator.threads"}

// TestEveryKeyOfGroupsActs: every key of groups and offsets changes what the
// coordinator goes by, and a key that is new to the table must be made to.
func TestEveryKeyOfGroupsActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := goesBy(t, "", "", "g")
		for _, d := range slices.Concat(configs.All(configs.Broker), configs.All(configs.Group)) {
			if !ofGroups(d.Name) {
				continue
			}
			value, known := others[d.Name]
			switch {
			case !d.Acts && slices.Contains(unread, d.Name):
			case !d.Acts || !known:
				t.Errorf("%s is accepted: make it act, and give it another value here", d.Name)
			case goesBy(t, d.Name, value, "g") == before:
				t.Errorf("%s=%s changes nothing", d.Name, value)
			}
		}
	})
}

// ofGroups tells whether a key is of groups as they are built: share and streams
// groups are not.
func ofGroups(name string) bool {
	if strings.HasPrefix(name, "group.share.") || strings.HasPrefix(name, "group.streams.") {
		return false
	}
	for _, head := range []string{"group.", "consumer.", "offsets.", "offset.", "gregor.group."} {
		if strings.HasPrefix(name, head) {
			return true
		}
	}
	return false
}

// goesBy is all that the coordinator has of its configuration, when one key is set:
// for a group with settings of its own, at the edges of what the broker allows, and
// for one without.
func goesBy(t *testing.T, key, value, group string) string {
	props := map[string]string{"node.id": "1", "process.roles": "broker"}
	own := map[string]string{}
	if strings.HasPrefix(key, "consumer.") {
		own[key] = value
	} else if key != "" {
		props[key] = value
	}
	v, _ := configs.Resolve(props) // what it misses has nothing to do with groups
	w := newWorld(t)
	defer w.groups.Close()
	for name, value := range own {
		w.set(image.GroupResource, group, name, value)
	}
	for what, n := range map[string][2]string{"session.timeout.ms": {"1", "1000000"}, "heartbeat.interval.ms": {"1", "1000000"}, "assignment.interval.ms": {"0", "1000000"}} {
		w.set(image.GroupResource, "low", "consumer."+what, n[0])
		w.set(image.GroupResource, "high", "consumer."+what, n[1])
	}
	s := settings{v, w.replicas.Image}
	cfg := GroupConfig(v)
	on := consumersAllowed(v)
	topic := forward.SpecOf(v, groupcoord.Topic)
	return fmt.Sprintf("%+v %+v %v %+v %+v %+v", cfg, topic, on, s.of(group), s.of("low"), s.of("high"))
}
