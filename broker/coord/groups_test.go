package coord

import (
	"testing"
	"testing/synctest"

	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// world is a broker's replicas on a file system in memory, with their group
// coordinator, under metadata made by hand.
type world struct {
	t        *testing.T
	fs       vfs.FS
	logs     *logdir.Set
	replicas *replica.Manager
	groups   *Groups
	img      *image.Image
	n        int64
}

const now = 1_700_000_000_000

var (
	offsetsID = ids.TopicID{0x40, 15: 1}
	topicID   = ids.TopicID{0x40, 15: 2}
)

func newWorld(t *testing.T) *world {
	w := &world{t: t, fs: vfs.NewMem(), img: image.Empty()}
	if err := w.fs.MkdirAll("/data"); err != nil {
		t.Fatal(err)
	}
	meta := logdir.MetaProperties{Version: 1, ClusterID: "c", NodeID: 1, HasNodeID: true, DirectoryID: ids.DirectoryID{1: 1, 15: 200}}
	if err := logdir.WriteMeta(w.fs, "/data", meta); err != nil {
		t.Fatal(err)
	}
	clock := func() int64 { return now }
	env := &partlog.Env{Clock: clock, ProducerExpirationMs: 1 << 40, MaxTxnTimeoutMs: 900000, Random: func(int64) int64 { return 0 }}
	var err error
	if w.logs, err = logdir.Open(logdir.Options{FS: w.fs, Dirs: []string{"/data"}, Env: env, ClusterID: "c", NodeID: 1}); err != nil {
		t.Fatal(err)
	}
	values, _ := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker"})
	w.replicas = replica.New(replica.Options{Node: 1, FS: w.fs, Logs: w.logs, Clock: clock, Broker: values})
	w.groups = NewGroups(w.replicas, values, zap.NewNop())
	w.apply(topic(groupcoord.Topic, offsetsID, 2, 1)...)
	w.apply(topic("t", topicID, 3, 1)...)
	return w
}

func topic(name string, id ids.TopicID, partitions int, isr ...ids.NodeID) []records.Record {
	out := []records.Record{&records.TopicRecord{Name: name, TopicID: id}}
	for i := range partitions {
		out = append(out, &records.PartitionRecord{PartitionID: int32(i), TopicID: id, Replicas: isr, ISR: isr, Leader: isr[0],
			Directories: make([]ids.DirectoryID, len(isr))})
	}
	return out
}

// apply gives new metadata to the replicas and then to the coordinator, and waits
// until nothing moves any more.
func (w *world) apply(recs ...records.Record) {
	w.t.Helper()
	d := image.NewDelta(w.img)
	for _, r := range recs {
		if err := d.Replay(r); err != nil {
			w.t.Fatal(err)
		}
	}
	w.n++
	w.img = d.Apply(image.Provenance{Last: ids.OffsetAndEpoch{Offset: ids.Offset(w.n)}})
	w.replicas.Apply(d, w.img)
	w.groups.Apply(d, w.img)
	synctest.Wait()
}

// lead makes another broker, or this one again, the leader of the group's partition.
func (w *world) lead(leader ids.NodeID) {
	w.apply(&records.PartitionChangeRecord{PartitionID: w.groups.PartitionOf("g"), TopicID: offsetsID, Leader: leader, LeaderRecoveryState: -1})
}

func (w *world) commit(offset int64) int16 {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.Generation = 9, "g", -1
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 2, Offset: offset, LeaderEpoch: -1}}}}
	r.RetentionTimeMillis = -1
	code := int16(-1)
	w.groups.CommitOffsets(r, nil, func(r *kmsg.OffsetCommitResponse) { code = r.Topics[0].Partitions[0].ErrorCode })
	synctest.Wait()
	return code
}

func (w *world) fetch() (offset int64, code int16) {
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version = 9
	r.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g", MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{2}}}}}
	w.groups.OffsetFetch(r, func(r *kmsg.OffsetFetchResponse) {
		code = r.Groups[0].ErrorCode
		if code == 0 {
			offset = r.Groups[0].Topics[0].Partitions[0].Offset
		}
	})
	synctest.Wait()
	return offset, code
}

func (w *world) want(offset int64, code int16) {
	w.t.Helper()
	if o, c := w.fetch(); o != offset || c != code {
		w.t.Fatalf("fetched %d with error %d, want %d with %d", o, c, offset, code)
	}
}

func TestCoordinatorFollowsLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.want(-1, 0)
		for i := range int64(500) { // more than one read of the log can hold
			if c := w.commit(i); c != 0 {
				t.Fatalf("commit %d: %d", i, c)
			}
		}
		w.want(499, 0)
		w.lead(2)
		w.want(0, kerr.NotCoordinator.Code)
		if c := w.commit(7); c != kerr.NotCoordinator.Code {
			t.Fatalf("commit without leadership: %d", c)
		}
		w.lead(1)
		w.want(499, 0) // loaded from the log
		if c := w.commit(500); c != 0 {
			t.Fatalf("commit after the move: %d", c)
		}
		w.want(500, 0)
		w.groups.Close()
		w.want(0, kerr.NotCoordinator.Code)
	})
}

func TestOffsetsOfDeletedTopicsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if c := w.commit(5); c != 0 {
			t.Fatalf("commit: %d", c)
		}
		w.apply(&records.RemoveTopicRecord{TopicID: topicID})
		w.apply(topic("t", ids.TopicID{0x40, 15: 3}, 3, 1)...)
		w.want(-1, 0)
		w.lead(2)
		w.lead(1)
		w.want(-1, 0)
		w.groups.Close()
	})
}

// A partition with too few replicas in sync takes no commit, and does not act as
// if it had.
func TestTooFewReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.apply(&records.ConfigRecord{ResourceType: 2, ResourceName: groupcoord.Topic, Name: "min.insync.replicas", Value: new("2")})
		w.apply(&records.PartitionChangeRecord{PartitionID: w.groups.PartitionOf("g"), TopicID: offsetsID, Replicas: []ids.NodeID{1, 2}, ISR: []ids.NodeID{1}, Leader: -2, LeaderRecoveryState: -1})
		if c := w.commit(5); c != kerr.CoordinatorNotAvailable.Code {
			t.Fatalf("commit with one of two replicas: %d", c)
		}
		w.want(-1, 0)
		w.groups.Close()
	})
}
