package clients

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FeaturesNode makes a node as a cluster of the oldest release began: at
// metadata version 3.3-IV3, its voters named by the configuration. Snapshots are
// written all the time.
func FeaturesNode(sw node.Software) (*node.Server, error) {
	return node.NewAt(sw, node.Place{Static: true, Format: []string{"--release-version", "3.3-IV3"}},
		map[string]string{"metadata.log.max.record.bytes.between.snapshots": "300"})
}

// features is a node whose features change, and the story of it. Every line is
// the same whichever broker it is: interop asks both.
type features struct {
	srv   *node.Server
	cl    *kgo.Client
	adm   *kadm.Client
	story []string
	ids   map[string]kadm.TopicID
	kept  string // what was there when it was last told
}

// Kinds of an update.
const (
	up int8 = iota + 1
	safely
	unsafely
)

// Features tells the life of a node of FeaturesNode from 3.3-IV3 to 4.3-IV0: what
// each level lets in, what is refused and how, what a downgrade may do, that
// restarts in between, which begin with a snapshot, keep everything, and at last
// the levels of all other features. The node runs afterwards.
func Features(ctx context.Context, srv *node.Server) ([]string, error) {
	f := &features{srv: srv, ids: map[string]kadm.TopicID{}}
	defer func() {
		if f.cl != nil {
			f.cl.Close()
		}
	}()
	for _, step := range []func(context.Context) error{
		f.connect, f.begin, f.refusals, f.restart, f.climb, f.descend, f.top, f.others, f.kraft, f.restart,
	} {
		if err := step(ctx); err != nil {
			return f.story, fmt.Errorf("after %q: %w", strings.Join(f.story[max(0, len(f.story)-3):], "; "), err)
		}
	}
	return f.story, nil
}

func (f *features) say(format string, args ...any) {
	f.story = append(f.story, fmt.Sprintf(format, args...))
}

func (f *features) connect(context.Context) (err error) {
	if f.cl != nil {
		f.cl.Close()
	}
	f.cl, err = kgo.NewClient(kgo.SeedBrokers(f.srv.Addr()), kgo.MetadataMinAge(10*time.Millisecond))
	f.adm = kadm.NewClient(f.cl)
	return err
}

// change is a feature and the level it is to have.
type change struct {
	feature string
	level   int16
}

func mv(level int) change { return change{image.MetadataVersionFeature, int16(level)} }

// update asks for changes and tells the answer.
func (f *features) update(ctx context.Context, kind int8, dry bool, changes ...change) (string, error) {
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.ValidateOnly, req.TimeoutMillis = dry, 10_000
	for _, c := range changes {
		u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
		u.Feature, u.MaxVersionLevel, u.UpgradeType = c.feature, c.level, kind
		req.FeatureUpdates = append(req.FeatureUpdates, u)
	}
	resp, err := req.RequestWith(ctx, f.cl)
	if err != nil {
		return "", err
	}
	answer := code(resp.ErrorCode)
	if resp.ErrorMessage != nil && *resp.ErrorMessage != "" {
		answer += ": " + *resp.ErrorMessage
	}
	return answer, nil
}

// try is update, told as one line.
func (f *features) try(ctx context.Context, kind int8, dry bool, changes ...change) error {
	answer, err := f.update(ctx, kind, dry, changes...)
	what := []string{"up", "safely down", "unsafely down"}[kind-1]
	for _, c := range changes {
		what += fmt.Sprintf(" %s=%d", c.feature, c.level)
	}
	if dry {
		what += " (dry)"
	}
	f.say("%s: %s", what, answer)
	return err
}

// levels are the finalized levels, as a broker or a controller tells them.
func (f *features) levels(ctx context.Context, cl *kgo.Client) (string, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "features", "1"
	resp, err := cl.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return "", err
	}
	var out []string
	for _, l := range resp.(*kmsg.ApiVersionsResponse).FinalizedFeatures {
		out = append(out, fmt.Sprintf("%s=%d", l.Name, l.MaxVersionLevel))
	}
	slices.Sort(out)
	return strings.Join(out, " "), nil
}

// settled waits until the node tells of levels that contain want, and tells them.
func (f *features) settled(ctx context.Context, want ...change) error {
	got := ""
	err := until(ctx, fmt.Sprint("levels ", want), func() (_ bool, err error) {
		got, err = f.levels(ctx, f.cl)
		return !slices.ContainsFunc(want, func(c change) bool { return !strings.Contains(got+" ", fmt.Sprintf("%s=%d ", c.feature, c.level)) }), err
	})
	f.say("levels: %s", got)
	return err
}

// begin makes what is to be there to the end, and what 3.3-IV3 does not let in.
func (f *features) begin(ctx context.Context) error {
	if err := f.settled(ctx, mv(7)); err != nil {
		return err
	}
	if err := f.topic(ctx, "kept", 3, map[string]*string{"retention.ms": kmsg.StringPtr("86400000"), "cleanup.policy": kmsg.StringPtr("compact")}); err != nil {
		return err
	}
	var records []*kgo.Record
	for i := range 300 {
		records = append(records, &kgo.Record{Topic: "kept", Partition: int32(i % 3), Key: fmt.Append(nil, i), Value: fmt.Append(nil, "value ", i)})
	}
	if err := f.cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	os := kadm.Offsets{}
	os.AddOffset("kept", 1, 42, -1)
	if err := f.adm.CommitAllOffsets(ctx, "group", os); err != nil {
		return err
	}
	for broker, set := range map[string][2]string{"": {"log.retention.ms", "172800000"}, "1": {"min.insync.replicas", "1"}} {
		if err := (&Dirs{cl: f.cl}).config(ctx, broker, set[0], set[1]); err != nil {
			return err
		}
	}
	user := "alice"
	quotas, err := f.adm.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "user", Name: &user}}, Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1024}},
	}})
	if err != nil || quotas[0].Err != nil {
		return errors.Join(err, quotas[0].Err)
	}
	if err := f.scram(ctx); err != nil {
		return err
	}
	return f.tell(ctx)
}

// topic makes a topic and remembers its id.
func (f *features) topic(ctx context.Context, name string, partitions int32, configs map[string]*string) error {
	r, err := f.adm.CreateTopic(ctx, partitions, 1, configs, name)
	f.ids[name] = r.ID
	return err
}

// scram stores a credential, which levels below 3.5-IV2 refuse.
func (f *features) scram(ctx context.Context) error {
	set, err := f.adm.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: "alice", Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "secret"}})
	if err != nil {
		return err
	}
	answer := "ok"
	if r := set["alice"]; r.Err != nil {
		answer = fmt.Sprintf("%v: %s", r.Err, r.ErrMessage)
		var k *kerr.Error
		if errors.As(r.Err, &k) {
			answer = k.Message + ": " + r.ErrMessage
		}
	}
	f.say("a SCRAM credential: %s", answer)
	return nil
}

// refusals at the first level; what is only tried changes nothing.
func (f *features) refusals(ctx context.Context) error {
	for _, x := range []struct {
		kind    int8
		dry     bool
		changes []change
	}{
		{up, true, []change{mv(30)}},
		{up, false, []change{mv(6)}},
		{up, false, []change{mv(31)}},
		{up, false, []change{mv(-1)}},
		{safely, false, []change{mv(8)}},
		{unsafely, false, []change{mv(8)}},
		{safely, false, []change{mv(7)}},
		{up, true, []change{{image.GroupVersionFeature, 1}}},
		{up, false, []change{{image.TransactionVersionFeature, 2}}},
		{up, false, []change{{image.ELRVersionFeature, 1}}},
		{up, true, []change{mv(30), {image.ELRVersionFeature, 1}}},
		{up, true, []change{{image.KRaftVersionFeature, 1}}},
		{up, false, []change{{image.KRaftVersionFeature, 2}}},
		{up, false, []change{{"no.such.version", 1}}},
	} {
		if err := f.try(ctx, x.kind, x.dry, x.changes...); err != nil {
			return err
		}
	}
	return f.settled(ctx, mv(7))
}

// climb goes up level by level. Each level begins with a topic of its own.
func (f *features) climb(ctx context.Context) error {
	for level := 8; level <= 29; level++ {
		if err := f.raise(ctx, level); err != nil {
			return err
		}
		var err error
		switch level {
		case 10, 11: // the last without credentials, and the first with
			if err = f.scram(ctx); err == nil {
				err = f.tell(ctx)
			}
		case 17: // directories are known of, and in the registration at once
			if err = f.registered(ctx); err == nil {
				err = f.restart(ctx)
			}
		case 13, 24:
			err = f.restart(ctx)
		}
		if err != nil {
			return err
		}
	}
	return f.tell(ctx)
}

func (f *features) raise(ctx context.Context, level int) error {
	if err := f.try(ctx, up, false, mv(level)); err != nil {
		return err
	}
	if err := f.settled(ctx, mv(level)); err != nil {
		return err
	}
	return f.topic(ctx, fmt.Sprintf("at-%d", level), 2, map[string]*string{"segment.ms": kmsg.StringPtr(fmt.Sprint(100_000 + level))})
}

// registered waits until the latest registration of the broker in the metadata
// log, which is of the same epoch as the first one of this process, has directories.
func (f *features) registered(ctx context.Context) error {
	var epochs []int64
	err := until(ctx, "a registration with directories", func() (bool, error) {
		regs, err := registrations(f.srv)
		if err != nil || len(regs) == 0 {
			return false, err
		}
		last := regs[len(regs)-1]
		epochs = nil
		for _, r := range regs {
			if r.IncarnationID == last.IncarnationID {
				epochs = append(epochs, r.BrokerEpoch)
			}
		}
		return len(last.LogDirs) == 1, nil
	})
	f.say("the registration has directories, in the epoch it had: %v", len(epochs) > 1 && slices.Min(epochs) == slices.Max(epochs))
	return err
}

// registrations are those of broker 1 in the metadata log, oldest first.
func registrations(srv *node.Server) (out []*records.RegisterBrokerRecord, err error) {
	log, err := srv.MetadataLog()
	if err != nil {
		return nil, err
	}
	var at []int64
	for base := range log {
		at = append(at, base)
	}
	slices.Sort(at)
	for _, base := range at {
		v := batch.View(log[base])
		if v.IsControl() {
			continue
		}
		recs, err := v.Records(nil, 1<<20)
		if err != nil {
			return nil, err
		}
		for _, r := range recs {
			rec, _, err := records.Parse(r.Value)
			if err != nil {
				return nil, err
			}
			if reg, ok := rec.(*records.RegisterBrokerRecord); ok && reg.BrokerID == ids.NodeID(srv.ID()) {
				out = append(out, reg)
			}
		}
	}
	return out, nil
}

// descend goes down from 29 as far as nothing is lost, and not further.
func (f *features) descend(ctx context.Context) error {
	for _, x := range []struct {
		kind int8
		dry  bool
		to   int
	}{{up, false, 23}, {safely, true, 23}, {safely, true, 22}, {safely, false, 22}, {unsafely, true, 22}, {unsafely, false, 22}, {unsafely, false, 7}, {safely, false, 28}, {unsafely, false, 25}, {safely, false, 23}} {
		if err := f.try(ctx, x.kind, x.dry, mv(x.to)); err != nil {
			return err
		}
	}
	if err := f.settled(ctx, mv(23)); err != nil {
		return err
	}
	if err := f.topic(ctx, "down-at-23", 2, nil); err != nil {
		return err
	}
	if err := f.restart(ctx); err != nil {
		return err
	}
	return f.try(ctx, safely, false, mv(22))
}

// top is 4.3-IV0, from which nothing leads down.
func (f *features) top(ctx context.Context) error {
	if err := f.raise(ctx, 30); err != nil {
		return err
	}
	for _, kind := range []int8{safely, unsafely} {
		for _, dry := range []bool{true, false} {
			if err := f.try(ctx, kind, dry, mv(29)); err != nil {
				return err
			}
		}
	}
	return f.try(ctx, safely, false, mv(30))
}

// others are the features besides metadata.version, up and down.
func (f *features) others(ctx context.Context) error {
	all := []change{{image.GroupVersionFeature, 1}, {image.ShareVersionFeature, 1}, {image.StreamsVersionFeature, 1}, {image.TransactionVersionFeature, 2}, {image.ELRVersionFeature, 1}}
	for _, dry := range []bool{true, false} {
		if err := f.try(ctx, up, dry, all...); err != nil {
			return err
		}
	}
	if err := f.settled(ctx, all...); err != nil {
		return err
	}
	for _, x := range []struct {
		kind int8
		dry  bool
		change
	}{
		{up, false, change{image.TransactionVersionFeature, 1}},
		{safely, true, change{image.TransactionVersionFeature, 1}},
		{safely, false, change{image.TransactionVersionFeature, 1}},
		{unsafely, false, change{image.TransactionVersionFeature, 0}},
		{safely, false, change{image.ShareVersionFeature, 0}},
		{safely, false, change{image.ELRVersionFeature, 0}},
		{safely, false, change{image.StreamsVersionFeature, 2}},
	} {
		if err := f.try(ctx, x.kind, x.dry, x.change); err != nil {
			return err
		}
	}
	if err := f.settled(ctx, change{image.GroupVersionFeature, 1}, change{image.StreamsVersionFeature, 1}, mv(30)); err != nil {
		return err
	}
	return f.tell(ctx)
}

// kraft makes the one static voter a voter in the log.
func (f *features) kraft(ctx context.Context) error {
	v1 := change{image.KRaftVersionFeature, 1}
	for _, dry := range []bool{true, false} {
		if err := f.try(ctx, up, dry, v1); err != nil {
			return err
		}
	}
	if err := f.settled(ctx, v1); err != nil {
		return err
	}
	for _, kind := range []int8{up, safely, unsafely} {
		if err := f.try(ctx, kind, false, change{image.KRaftVersionFeature, 0}); err != nil {
			return err
		}
	}
	if err := f.try(ctx, up, false, v1); err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.srv.Controller()))
	if err != nil {
		return err
	}
	defer cl.Close()
	got, err := f.levels(ctx, cl)
	f.say("the controller's levels: %s", got)
	return err
}

// restart stops the node cleanly once a snapshot that is not the formatted one
// lies beside its log, starts it, and looks whether everything is still there.
func (f *features) restart(ctx context.Context) error {
	err := until(ctx, "a snapshot", func() (bool, error) {
		files, err := filepath.Glob(filepath.Join(f.srv.MetadataDir(), "*.checkpoint"))
		return slices.ContainsFunc(files, func(p string) bool { return filepath.Base(p) > "00000000000000000001" }), err
	})
	if err != nil {
		return err
	}
	if _, err := f.srv.Term(20 * time.Second); err != nil {
		return err
	}
	if err := f.srv.Start(); err != nil {
		return err
	}
	if err := f.connect(ctx); err != nil {
		return err
	}
	before, now := f.topics()+f.kept[strings.Index(f.kept, "\n"):], ""
	err = until(ctx, "what was there", func() (ok bool, err error) {
		now, err = f.state(ctx)
		return err == nil && now == before, nil
	})
	f.say("started again, everything is there: %v", err == nil)
	if err != nil {
		return fmt.Errorf("%w: it was\n%s\nand is\n%s", err, before, now)
	}
	return nil
}

// topics are those that were made, with their ids.
func (f *features) topics() string {
	var names []string
	for name, id := range f.ids {
		names = append(names, fmt.Sprintf("%s %v", name, id))
	}
	slices.Sort(names)
	return "topics: " + strings.Join(names, ", ")
}
