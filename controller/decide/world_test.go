package decide

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// world is a cluster whose brokers come and go while topics are made.
type world struct {
	*Env
	t     *rapid.T
	epoch map[int32]int64 // of brokers that are registered
	next  byte
}

func (w *world) n(max int, what string) int { return rapid.IntRange(0, max).Draw(w.t, what) }

// step does one random thing, as the active controller would.
func (w *world) step() {
	id := int32(1 + w.n(4, "broker"))
	w.Now += int64(w.n(4000, "ms"))
	switch w.n(9, "op") {
	case 0, 1:
		w.register(id)
	case 2, 3:
		w.heartbeat(id, func(*kmsg.BrokerHeartbeatRequest) {})
	case 4:
		w.heartbeat(id, func(r *kmsg.BrokerHeartbeatRequest) { r.WantShutdown = true })
	case 5:
		w.heartbeat(id, func(r *kmsg.BrokerHeartbeatRequest) { r.WantFence = true })
	case 6:
		expired, _ := w.Live.Expired(w.Image, w.Now)
		for _, id := range expired {
			w.apply(w.t, Fence(w.Env, id))
		}
	case 7:
		if w.n(5, "unregister") == 0 && w.epoch[id] != 0 {
			req := kmsg.NewPtrUnregisterBrokerRequest()
			req.BrokerID = id
			d, err := UnregisterBroker(w.Env, req)
			if err != nil {
				w.t.Fatal(err)
			}
			w.apply(w.t, d)
			delete(w.epoch, id)
		}
	default:
		w.create()
	}
}

func (w *world) register(id int32) {
	w.next++
	req := registrationOf(id, w.next)
	if w.n(1, "clean") == 0 {
		req.PreviousBrokerEpoch = w.epoch[id]
	}
	d, err := RegisterBroker(w.Env, req)
	if err != nil {
		return // a session still lives
	}
	w.apply(w.t, d)
	w.epoch[id] = d.Reply.(*kmsg.BrokerRegistrationResponse).BrokerEpoch
}

func (w *world) heartbeat(id int32, change func(*kmsg.BrokerHeartbeatRequest)) {
	if epoch, ok := w.epoch[id]; ok {
		w.beat(w.t, id, epoch, change)
	}
}

func (w *world) create() {
	w.next++
	t := topic(fmt.Sprintf("t%d", w.next), int32(1+w.n(4, "partitions")), int16(1+w.n(2, "factor")))
	if w.n(1, "min") == 0 {
		t = with(t, "min.insync.replicas", "2")
	}
	if w.n(3, "unclean") == 0 {
		t = with(t, "unclean.leader.election.enable", "true")
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, t)
	d, err := CreateTopics(w.Env, req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.apply(w.t, d)
}

// check states what holds in every image.
func (w *world) check() {
	w.Image.Topics.Each(func(t *image.Topic) bool {
		for i, p := range t.Partitions {
			what := fmt.Sprintf("%s-%d %+v", t.Name, i, *p)
			if p.HasLeader() {
				b := w.Image.Cluster.Broker(p.Leader)
				if b == nil || b.Fenced || !slices.Contains(p.ISR, p.Leader) {
					w.t.Fatalf("leader is fenced or out of sync: %s", what)
				}
			}
			for _, r := range p.ISR {
				if b := w.Image.Cluster.Broker(r); !p.Has(r) || w.elr() && (b == nil || b.Fenced) {
					w.t.Fatalf("in sync without being a live replica: %s", what)
				}
			}
			for _, r := range p.ELR {
				if slices.Contains(p.ISR, r) || !p.Has(r) {
					w.t.Fatalf("eligible beside being in sync: %s", what)
				}
			}
			if len(p.ELR) > 0 && len(p.ISR) >= w.minISR(t) {
				w.t.Fatalf("eligible leaders that are not needed: %s", what)
			}
			if len(p.Directories) != len(p.Replicas) {
				w.t.Fatalf("directories: %s", what)
			}
			if !p.HasLeader() {
				w.checkLeaderless(p, what)
			}
		}
		return true
	})
}

// checkLeaderless: a partition waits only for brokers that are not there.
func (w *world) checkLeaderless(p *image.Partition, what string) {
	eligible := p.ISR
	if len(eligible) == 0 {
		eligible = p.ELR
	}
	for _, r := range eligible {
		if w.active(r) {
			w.t.Fatalf("no leader though %d could be: %s", r, what)
		}
	}
}

func TestBrokersComeAndGo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := kafkaLike(t)
		if rapid.Bool().Draw(rt, "no ELR") {
			e.apply(rt, Decision{Records: []records.Versioned{{Record: &records.FeatureLevelRecord{Name: image.ELRVersionFeature}}}})
		}
		w := &world{Env: e, t: rt, epoch: map[int32]int64{1: e.Image.Cluster.Broker(1).Epoch}, next: 1}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			w.step()
			w.check()
		}
	})
}

func TestPlacementSpreads(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := kafkaLike(t)
		racks, perRack := 1+rapid.IntRange(0, 3).Draw(rt, "racks"), 1+rapid.IntRange(0, 3).Draw(rt, "per rack")
		e.Image = image.Empty()
		d := Decision{}
		for i := range racks * perRack {
			name := fmt.Sprint("r", i%racks)
			d.add(&records.RegisterBrokerRecord{BrokerID: ids.NodeID(i), Rack: &name, LogDirs: []ids.DirectoryID{{byte(i), 1}}}, 4)
		}
		e.apply(rt, d)
		brokers := racks * perRack
		factor := 1 + rapid.IntRange(0, brokers-1).Draw(rt, "factor")
		parts, err := e.place(brokers, factor)
		if err != nil {
			rt.Fatal(err)
		}
		leads, holds := map[ids.NodeID]int{}, map[ids.NodeID]int{}
		for _, p := range parts {
			leads[p.Leader]++
			inRack := map[int]int{}
			for _, r := range p.Replicas {
				holds[r]++
				inRack[int(r)%racks]++
			}
			for _, n := range inRack {
				if n > (factor+racks-1)/racks {
					rt.Fatalf("%v is not spread over %d racks", p.Replicas, racks)
				}
			}
			if len(slices.Compact(slices.Sorted(slices.Values(p.Replicas)))) != factor {
				rt.Fatalf("%v", p.Replicas)
			}
		}
		if len(leads) != brokers {
			rt.Fatalf("%d partitions over %d brokers in %d racks have only %d leaders: %v", len(parts), brokers, racks, len(leads), leads)
		}
	})
}

func TestFencedBrokersComeLast(t *testing.T) {
	e := kafkaLike(t)
	for id := int32(2); id <= 3; id++ {
		d, err := RegisterBroker(e, registrationOf(id, 1)) // stays fenced
		if err != nil {
			t.Fatal(err)
		}
		e.apply(t, d)
	}
	parts, err := e.place(6, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if p.Leader != 1 || len(p.ISR) != 1 || len(p.Replicas) != 2 {
			t.Errorf("%+v", p)
		}
	}
	if _, err := e.place(1, 4); err == nil {
		t.Error("four replicas on three brokers")
	}
}

func TestBrokerOfThisProcessIsNoDuplicate(t *testing.T) {
	e := kafkaLike(t)
	e.join(t, 2, 1)
	if _, err := RegisterBroker(e, registrationOf(1, 2)); err != nil {
		t.Errorf("the broker of this process could not come back: %v", err)
	}
	_, err := RegisterBroker(e, registrationOf(2, 2))
	if refused, ok := err.(*Error); !ok || refused.Code != 101 {
		t.Errorf("a second broker 2: %v", err)
	}
	e.Now += 9000
	if _, err := RegisterBroker(e, registrationOf(2, 2)); err != nil {
		t.Errorf("after the session: %v", err)
	}
}

func TestOldMetadataVersions(t *testing.T) {
	for mv := image.MinMetadataVersion; mv <= image.LatestMetadataVersion; mv++ {
		e := kafkaLike(t)
		e.Image, e.KRaftVersion = image.Empty(), 0
		e.Live = NewLiveness(e.Image, 9000, e.Now)
		d := Activate(e, NewBootstrap(mv, image.DefaultFeatureLevels(mv), nil, ""), false)
		_, begins := d.Records[0].Record.(*records.BeginTransactionRecord)
		if begins != mv.SupportsTransactions() {
			t.Errorf("%v: transaction %v", mv, begins)
		}
		e.apply(t, d)
		e.join(t, 1, 1)
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Topics = append(req.Topics, topic("t", 2, 1))
		d, err := CreateTopics(e, req)
		if err != nil {
			t.Fatal(err)
		}
		e.apply(t, d)
		if p := e.Image.Topics.ByName("t").Partition(1); p.Leader != 1 || mv.SupportsDirectories() == (p.Directories[0] == ids.MigratingDir) {
			t.Errorf("%v: %+v", mv, p)
		}
		e.apply(t, Fence(e, 1))
	}
}

func TestDecidesTheSameTwice(t *testing.T) {
	ask := func() Decision {
		e := kafkaLike(t)
		req := kmsg.NewPtrCreateTopicsRequest()
		for i := range 20 {
			req.Topics = append(req.Topics, with(topic(fmt.Sprint("t", i), 3, 1), "retention.ms", "1", "segment.ms", "100"))
		}
		d, err := CreateTopics(e, req)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b := ask(), ask()
	for i := range a.Records {
		if string(a.Records[i].Append(nil)) != string(b.Records[i].Append(nil)) {
			t.Fatalf("record %d: %+v %+v", i, a.Records[i], b.Records[i])
		}
	}
}

func BenchmarkCreate100TopicsOf10(b *testing.B) {
	e := kafkaLike(b)
	req := kmsg.NewPtrCreateTopicsRequest()
	for i := range 100 {
		req.Topics = append(req.Topics, topic(fmt.Sprint("topic-", i), 10, 1))
	}
	for b.Loop() {
		d, err := CreateTopics(e, req)
		if err != nil {
			b.Fatal(err)
		}
		checkReplays(e, d)
	}
}

// BenchmarkRestart is a broker that leads 100,000 partitions and comes back
// after kill -9: its registration and the heartbeat that unfences it.
func BenchmarkRestart(b *testing.B) {
	e := kafkaLike(b)
	for i := range 100 {
		req := kmsg.NewPtrCreateTopicsRequest()
		for j := range 10 {
			req.Topics = append(req.Topics, topic(fmt.Sprintf("topic-%d-%d", i, j), 100, 1))
		}
		d, err := CreateTopics(e, req)
		if err != nil {
			b.Fatal(err)
		}
		e.apply(b, d)
	}
	incarnation := byte(1)
	for b.Loop() {
		incarnation++
		e.join(b, 1, incarnation)
	}
	if p := e.Image.Topics.ByName("topic-3-3").Partition(99); p.Leader != 1 {
		b.Fatalf("%+v", p)
	}
}
