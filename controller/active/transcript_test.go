package active

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stage is a core with everything round it played by the test. The transcripts
// in testdata tell what it does: each command is followed by its effects.
type stage struct {
	*core
	t    *testing.T
	out  strings.Builder
	log  []raftio.CommittedBatch // of this and all other leaders
	sent int                     // how many of log were committed
	now  int64

	refuse error // what Append answers
	voters []ids.NodeID
}

func newStage(t *testing.T) *stage {
	values, err := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker,controller", "log.dirs": "/d", "controller.listener.names": "C", "listeners": "C://h:1"})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, now: 1000, voters: []ids.NodeID{1}}
	s.core = newCore(Options{
		Node: decide.Node{ID: 1, ClusterID: "c", Config: values}, Controller: true, Logger: zap.NewNop(), Seed: 1,
		Bootstrap: func() (decide.Bootstrap, error) {
			return decide.NewBootstrap(image.LatestMetadataVersion, []image.NamedLevel{{Name: image.ELRVersionFeature, Level: 1}}, nil, "test"), nil
		},
		SessionTimeout: 9 * time.Second, MaxIdle: 500 * time.Millisecond, SnapshotBytes: 1000, SnapshotInterval: time.Hour,
	})
	s.quorum, s.wall = s, func() int64 { return s.now }
	s.publish = func(p publication) {
		if p.delta != nil {
			s.printf("publish up to %d: %s", p.image.Provenance.Last.Offset, describe(p.delta, p.image))
		}
		for _, reply := range p.replies {
			reply()
		}
	}
	s.snapshot = func(at ids.OffsetAndEpoch, _ int64, img *image.Image) {
		s.printf("snapshot at %v: %d topics", at, img.Topics.Len())
	}
	return s
}

func (s *stage) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func describe(d *image.Delta, img *image.Image) string {
	var out []string
	if f := d.Features(); f != nil {
		for _, c := range f.Changed {
			out = append(out, fmt.Sprintf("%s %d→%d", c.Name, c.Old, c.New))
		}
	}
	if c := d.Cluster(); c != nil {
		for _, b := range c.Brokers {
			out = append(out, fmt.Sprintf("broker %d fenced=%v", b.New.ID, b.New.Fenced))
		}
	}
	if t := d.Topics(); t != nil {
		for _, x := range t.Deleted {
			out = append(out, "-"+x.Name)
		}
		for _, x := range t.Changed {
			if len(x.Partitions) == 0 {
				out = append(out, "+"+x.New.Name)
			}
			for _, p := range x.Partitions {
				out = append(out, fmt.Sprintf("%s-%d leader=%d", x.New.Name, p.Index, p.New.Leader))
			}
		}
	}
	if d.Configs() != nil {
		out = append(out, "configs")
	}
	if len(out) == 0 {
		out = append(out, "nothing")
	}
	return strings.Join(out, ", ")
}

// The Quorum.

func (s *stage) Append(epoch ids.LeaderEpoch, recs [][]byte, now int64) (ids.Offset, error) {
	if s.refuse != nil {
		s.printf("append refused: %v", s.refuse)
		return 0, s.refuse
	}
	b := raftio.CommittedBatch{BaseOffset: s.EndOffset(), Epoch: epoch, AppendTime: now, Records: recs}
	b.LastOffset = b.BaseOffset + ids.Offset(len(recs)) - 1
	for _, r := range recs {
		b.Bytes += len(r)
	}
	s.log = append(s.log, b)
	s.printf("append %d to %d: %s", b.BaseOffset, b.LastOffset, names(recs))
	return b.LastOffset, nil
}

func names(recs [][]byte) string {
	var out []string
	for _, raw := range recs {
		rec, _, err := records.Parse(raw)
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", rec), "*records."), "Record"))
	}
	return strings.Join(out, " ")
}

func (s *stage) EndOffset() ids.Offset {
	if len(s.log) == 0 {
		return 0
	}
	return s.log[len(s.log)-1].LastOffset + 1
}

func (s *stage) Resign(ids.LeaderEpoch) {}

func (s *stage) UpgradeKRaftVersion(ids.LeaderEpoch, int16, bool) (ids.Offset, error) { return 0, nil }

func (s *stage) WriteSnapshot(ids.OffsetAndEpoch, int64, iter.Seq[[]byte]) error { return nil }

func (s *stage) State() ([]ids.NodeID, int16) { return s.voters, 1 }

// Snapshot is a SnapshotReader over the current image of another stage.
type snapshot struct{ from *stage }

func (x snapshot) ID() ids.OffsetAndEpoch { return x.from.next }
func (x snapshot) AppendTime() int64      { return x.from.lastTime }
func (x snapshot) Batches() iter.Seq2[raftio.CommittedBatch, error] {
	return func(yield func(raftio.CommittedBatch, error) bool) {
		for v := range x.from.committed.Records() {
			if !yield(raftio.CommittedBatch{Records: [][]byte{v.Append(nil)}}, nil) {
				return
			}
		}
	}
}

// Commands.

func (s *stage) reply(name string) Reply {
	return func(resp kmsg.Response, err error) {
		var known *decide.Error
		switch {
		case errors.As(err, &known):
			s.printf("reply to %s: %v", name, kerr.ErrorForCode(known.Code))
		case err != nil:
			s.printf("reply to %s: %v", name, err)
		default:
			s.printf("reply to %s: %s", name, outcomeOf(resp))
		}
	}
}

func outcomeOf(resp kmsg.Response) string {
	code := int16(0)
	switch r := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		code = r.Topics[0].ErrorCode
	case *kmsg.BrokerRegistrationResponse:
		return fmt.Sprintf("epoch %d", r.BrokerEpoch)
	case *kmsg.BrokerHeartbeatResponse:
		return fmt.Sprintf("fenced=%v caughtUp=%v shutdown=%v", r.IsFenced, r.IsCaughtUp, r.ShouldShutdown)
	}
	if code != 0 {
		return kerr.ErrorForCode(code).Error()
	}
	return "done"
}

func (s *stage) command(d *datadriven.TestData) error {
	arg := func(key string, otherwise int64) int64 {
		for _, a := range d.CmdArgs {
			if a.Key == key {
				n, err := strconv.ParseInt(a.Vals[0], 10, 64)
				if err != nil {
					d.Fatalf(s.t, "%s: %v", key, err)
				}
				return n
			}
		}
		return otherwise
	}
	switch d.Cmd {
	case "leader":
		return s.leaderChanged(ids.LeaderAndEpoch{Leader: ids.NodeID(arg("is", 1)), Epoch: ids.LeaderEpoch(arg("epoch", 1))}, s.now)
	case "commit":
		n := int(arg("batches", int64(len(s.log)-s.sent)))
		batches := s.log[s.sent : s.sent+n]
		s.sent += n
		return s.commit(batches, s.now)
	case "foreign": // a batch of another leader, its records one a line
		s.truncate()
		_, err := s.Append(ids.LeaderEpoch(arg("epoch", 2)), s.parse(d.Input), s.now)
		return err
	case "append-fails":
		s.refuse = map[string]error{"not-leader": raftio.ErrNotLeader, "too-large": raftio.ErrBatchTooLarge, "no": nil}[d.CmdArgs[0].Key]
	case "chores": // what the active controller does by itself begins now
		s.o.BalanceInterval, s.o.UncleanInterval = time.Duration(arg("balance", 0))*time.Millisecond, time.Duration(arg("unclean", 0))*time.Millisecond
		s.begin(s.now)
	case "voters":
		s.voters = []ids.NodeID{1, 2, 3}
	case "peer":
		s.peerSeen = s.now
	case "tick":
		s.now += arg("after", 0)
		if next := s.tick(s.now); next != never {
			s.printf("again in %d ms", next-s.now)
		}
	case "load-snapshot":
		other := newStage(s.t)
		other.log = append(other.log, raftio.CommittedBatch{LastOffset: 99, Epoch: 4, Records: other.parse(d.Input)})
		if err := other.commit(other.log, 0); err != nil {
			return err
		}
		return s.load(snapshot{other}, s.now)
	default:
		s.ask(d, arg)
	}
	return nil
}

// truncate drops what was not committed, as a new leader may.
func (s *stage) truncate() { s.log = s.log[:s.sent] }

func (s *stage) ask(d *datadriven.TestData, arg func(string, int64) int64) {
	switch d.Cmd {
	case "register":
		req := kmsg.NewPtrBrokerRegistrationRequest()
		req.Version, req.BrokerID, req.ClusterID, req.IncarnationID = 4, int32(arg("broker", 1)), "c", [16]byte{byte(arg("incarnation", 1))}
		req.LogDirs, req.PreviousBrokerEpoch = [][16]byte{{byte(req.BrokerID)}}, arg("previous", -1)
		for _, f := range image.SupportedFeatures() {
			req.Features = append(req.Features, kmsg.BrokerRegistrationRequestFeature{Name: f.Feature, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
		}
		s.request(func(e *decide.Env) (decide.Decision, error) { return decide.RegisterBroker(e, req) }, s.reply("register"), s.now)
	case "heartbeat":
		req := kmsg.NewPtrBrokerHeartbeatRequest()
		req.Version, req.BrokerID, req.BrokerEpoch, req.CurrentMetadataOffset = 0, int32(arg("broker", 1)), arg("epoch", 0), arg("offset", 0)
		req.WantShutdown = arg("shutdown", 0) == 1
		s.request(func(e *decide.Env) (decide.Decision, error) {
			e.Live.Contact(ids.NodeID(req.BrokerID), req.BrokerEpoch, e.Now)
			return decide.BrokerHeartbeat(e, req)
		}, s.reply("heartbeat"), s.now)
	case "create":
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version = 7
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = d.CmdArgs[0].Key, int32(arg("partitions", 1)), int16(arg("factor", 1))
		req.Topics = append(req.Topics, t)
		until := deadline(s.now, Patient)
		if within := arg("within", -1); within >= 0 {
			until = deadline(s.now, time.Duration(within)*time.Millisecond)
		}
		s.timely(func(e *decide.Env) (decide.Decision, error) { return decide.CreateTopics(e, req) }, until, s.reply("create "+t.Topic), s.now)
	case "panic":
		s.request(func(*decide.Env) (decide.Decision, error) { panic("bug") }, s.reply("panic"), s.now)
	case "nonsense": // a record in a version that it does not have
		s.request(func(*decide.Env) (decide.Decision, error) {
			return decide.Decision{Records: []records.Versioned{{Record: &records.TopicRecord{}, Version: 99}}}, nil
		}, s.reply("nonsense"), s.now)
	case "errors":
		s.printf("MetadataErrorCount %d", s.meters.errors)
	case "contradict":
		s.request(func(*decide.Env) (decide.Decision, error) {
			return decide.Decision{Records: []records.Versioned{{Record: &records.RemoveTopicRecord{}}}}, nil
		}, s.reply("contradict"), s.now)
	default:
		d.Fatalf(s.t, "unknown command %s", d.Cmd)
	}
}

// parse makes records of lines such as "topic a", "begin", "end", "abort", "feature x 1".
func (s *stage) parse(lines string) [][]byte {
	var out [][]byte
	add := func(r records.Record) { out = append(out, records.Append(nil, r, 0)) }
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		f := strings.Fields(line)
		switch f[0] {
		case "topic":
			add(&records.TopicRecord{Name: f[1], TopicID: ids.TopicID{f[1][0]}})
		case "remove":
			add(&records.RemoveTopicRecord{TopicID: ids.TopicID{f[1][0]}})
		case "feature":
			level, _ := strconv.Atoi(f[2])
			add(&records.FeatureLevelRecord{Name: f[1], FeatureLevel: int16(level)})
		case "begin":
			add(&records.BeginTransactionRecord{})
		case "end":
			add(&records.EndTransactionRecord{})
		case "abort":
			add(&records.AbortTransactionRecord{})
		case "noop":
			add(&records.NoOpRecord{})
		case "unknown":
			out = append(out, []byte{1, 99, 0})
		default:
			s.t.Fatalf("record %q", line)
		}
	}
	return out
}

func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newStage(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			if err := s.command(d); err != nil {
				s.printf("failed: %v", err)
			}
			return s.out.String()
		})
	})
}
