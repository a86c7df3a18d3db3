package replica

import (
	"testing"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// effect is what altering a topic key does in this room.
type effect struct {
	value string
	with  map[string]string // other keys that must be set for it to show
	show  func(*partlog.Config) any
	minISR,
	elsewhere bool
	want any
	why  string // why a key has no effect here
}

const (
	remote    = "there is no tiered storage: the keys are accepted only while it is off"
	throttled = "replication is not throttled yet"
)

var effects = map[string]effect{
	"cleanup.policy": {value: "compact,delete", show: func(c *partlog.Config) any { return [2]bool{c.Compact, c.Delete} }, want: [2]bool{true, true}},
	"compression.type": {value: "zstd", show: func(c *partlog.Config) any { return [3]any{c.Recompress, c.Codec, c.CompressionLevel} },
		want: [3]any{true, batch.Zstd, 3}},
	"compression.gzip.level":          {value: "7", with: map[string]string{"compression.type": "gzip"}, show: level, want: 7},
	"compression.lz4.level":           {value: "12", with: map[string]string{"compression.type": "lz4"}, show: level, want: 12},
	"compression.zstd.level":          {value: "-5", with: map[string]string{"compression.type": "zstd"}, show: level, want: -5},
	"delete.retention.ms":             {value: "11", show: func(c *partlog.Config) any { return c.DeleteRetentionMs }, want: int64(11)},
	"file.delete.delay.ms":            {value: "12", show: func(c *partlog.Config) any { return c.FileDeleteDelayMs }, want: int64(12)},
	"flush.messages":                  {value: "13", show: func(c *partlog.Config) any { return c.FlushMessages }, want: int64(13)},
	"flush.ms":                        {value: "14", show: func(c *partlog.Config) any { return c.FlushMs }, want: int64(14)},
	"index.interval.bytes":            {value: "15", show: func(c *partlog.Config) any { return c.IndexIntervalBytes }, want: int32(15)},
	"internal.segment.bytes":          {value: "1600", show: func(c *partlog.Config) any { return c.SegmentBytes }, want: int32(1600)},
	"max.compaction.lag.ms":           {value: "17", show: func(c *partlog.Config) any { return c.MaxCompactionLagMs }, want: int64(17)},
	"max.message.bytes":               {value: "18", show: func(c *partlog.Config) any { return c.MaxMessageBytes }, want: int32(18)},
	"message.timestamp.after.max.ms":  {value: "19", show: func(c *partlog.Config) any { return c.TimestampAfterMaxMs }, want: int64(19)},
	"message.timestamp.before.max.ms": {value: "20", show: func(c *partlog.Config) any { return c.TimestampBeforeMaxMs }, want: int64(20)},
	"message.timestamp.type":          {value: "LogAppendTime", show: func(c *partlog.Config) any { return c.LogAppendTime }, want: true},
	"min.cleanable.dirty.ratio":       {value: "0.21", show: func(c *partlog.Config) any { return c.MinCleanableRatio }, want: 0.21},
	"min.compaction.lag.ms":           {value: "22", show: func(c *partlog.Config) any { return c.MinCompactionLagMs }, want: int64(22)},
	"min.insync.replicas":             {value: "3", minISR: true, want: 3},
	"preallocate":                     {value: "true", show: func(c *partlog.Config) any { return c.Preallocate }, want: true},
	"retention.bytes":                 {value: "23", show: func(c *partlog.Config) any { return c.RetentionBytes }, want: int64(23)},
	"retention.ms":                    {value: "24", show: func(c *partlog.Config) any { return c.RetentionMs }, want: int64(24)},
	"segment.bytes":                   {value: "2500000", show: func(c *partlog.Config) any { return c.SegmentBytes }, want: int32(2500000)},
	"segment.index.bytes":             {value: "26", show: func(c *partlog.Config) any { return c.SegmentIndexBytes }, want: int32(26)},
	"segment.jitter.ms":               {value: "27", show: func(c *partlog.Config) any { return c.SegmentJitterMs }, want: int64(27)},
	"segment.ms":                      {value: "28", show: func(c *partlog.Config) any { return c.SegmentMs }, want: int64(28)},
	"unclean.leader.election.enable":  {elsewhere: true, why: "the controller elects and obeys it"},

	"remote.storage.enable":                   {why: remote},
	"remote.log.copy.disable":                 {why: remote},
	"remote.log.delete.on.disable":            {why: remote},
	"local.retention.bytes":                   {why: remote},
	"local.retention.ms":                      {why: remote},
	"leader.replication.throttled.replicas":   {why: throttled},
	"follower.replication.throttled.replicas": {why: throttled},
}

func level(c *partlog.Config) any { return c.CompressionLevel }

// Every topic key is obeyed at once by a log that is open, or is known not to
// act and says why; the table of keys tells operators the same.
func TestEveryTopicKeyActsAtOnce(t *testing.T) {
	for _, d := range configs.All(configs.Topic) {
		e, ok := effects[d.Name]
		if !ok {
			t.Errorf("%s: nobody said what it does", d.Name)
			continue
		}
		if e.why != "" {
			if d.Acts != e.elsewhere {
				t.Errorf("%s: is marked Acts=%v, but %s", d.Name, d.Acts, e.why)
			}
			continue
		}
		if !d.Acts && !d.Internal {
			t.Errorf("%s acts and is not marked as acting", d.Name)
		}
		t.Run(d.Name, func(t *testing.T) { alterOne(t, d.Name, e) })
	}
	if n := len(configs.All(configs.Topic)); n != len(effects) {
		t.Errorf("%d keys, %d effects", n, len(effects))
	}
}

func alterOne(t *testing.T, key string, e effect) {
	w := newWorld(t)
	w.create("t", 1, 1, 1)
	w.mustAppend(tp("t", 0), 1)
	for k, v := range e.with {
		w.alter("t", k, v)
	}
	p, err := w.m.Get(tp("t", 0))
	if err != nil {
		t.Fatal(err)
	}
	show := func() any {
		if e.minISR {
			return p.topic.settings().MinISR
		}
		return e.show(p.log.Load().Config())
	}
	before := show()
	w.alter("t", key, e.value)
	if got := show(); got != e.want || got == before {
		t.Errorf("was %v, is %v, want %v", before, got, e.want)
	}
	w.remove("t", key)
	if got := show(); got != before {
		t.Errorf("removed: is %v, want %v again", got, before)
	}
}

func (w *world) alter(topic, key, value string) {
	w.t.Helper()
	w.apply(&records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: topic, Name: key, Value: &value})
}

func (w *world) remove(topic, key string) {
	w.t.Helper()
	w.apply(&records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: topic, Name: key})
}

// The broker's own value changes topics that say nothing, and no others.
func TestBrokerValuesActAtOnce(t *testing.T) {
	w := newWorld(t)
	w.create("plain", 1, 1, 1)
	w.create("own", 1, 1, 1)
	w.alter("own", "segment.ms", "5")
	w.mustAppend(tp("plain", 0), 1)
	w.mustAppend(tp("own", 0), 1)
	v, err := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker", "controller.listener.names": "C", "log.roll.ms": "7"})
	if err != nil {
		t.Fatal(err)
	}
	w.m.SetBroker(v)
	for topic, want := range map[string]int64{"plain": 7, "own": 5} {
		p, _ := w.m.Get(tp(topic, 0))
		if got := p.log.Load().Config().SegmentMs; got != want {
			t.Errorf("%s: segment.ms %d, want %d", topic, got, want)
		}
	}
}
