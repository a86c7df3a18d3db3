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

// TestDirectoryFailsBeforeTheBrokerIsUnfenced: the heartbeat that unfences a broker is
// the first to tell that a directory failed. What is in it gets no leader, what is in
// the other one does.
func TestDirectoryFailsBeforeTheBrokerIsUnfenced(t *testing.T) {
	good, bad := ids.DirectoryID{2, 200}, ids.DirectoryID{2, 201}
	e := kafkaLike(t)
	registration := registrationOf(2, 1)
	registration.LogDirs = [][16]byte{good, bad}
	register := func() int64 {
		d, err := RegisterBroker(e, registration)
		if err != nil {
			t.Fatal(err)
		}
		e.apply(t, d)
		return d.Reply.(*kmsg.BrokerRegistrationResponse).BrokerEpoch
	}
	e.beat(t, 2, register(), nil)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, on(topic("t", -1, -1), []int32{2}, []int32{2}))
	d, err := CreateTopics(e, req)
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	for i, dir := range []ids.DirectoryID{good, bad} {
		e.apply(t, Decision{Records: []records.Versioned{{Version: 2, Record: &records.PartitionChangeRecord{TopicID: e.Image.Topics.ByName("t").ID,
			PartitionID: int32(i), Leader: noLeaderChange, LeaderRecoveryState: noRecoveryChange, Directories: []ids.DirectoryID{dir}}}}})
	}
	e.apply(t, Fence(e, 2))
	b := e.Image.Cluster.Broker(2)
	e.beat(t, 2, b.Epoch, func(r *kmsg.BrokerHeartbeatRequest) { r.OfflineLogDirs = [][16]byte{bad} })
	b = e.Image.Cluster.Broker(2)
	if b.Fenced || !slices.Equal(b.Directories, []ids.DirectoryID{good}) {
		t.Fatalf("%+v", *b)
	}
	topic := e.Image.Topics.ByName("t")
	if p, q := topic.Partition(0), topic.Partition(1); p.Leader != 2 || q.HasLeader() {
		t.Errorf("in the good directory %+v, in the bad one %+v", *p, *q)
	}
	registration.IncarnationID, registration.PreviousBrokerEpoch, e.Now = [16]byte{2, 2}, b.Epoch, e.Now+9000 // with both directories again
	e.beat(t, 2, register(), nil)
	if p := e.Image.Topics.ByName("t").Partition(1); p.Leader != 2 || p.Recovering {
		t.Errorf("back again: %+v", *p)
	}
}

// TestListenersOfNoProtocol: a registration that Apache Kafka's nodes could not read is not
// written. (That of a broker is a question to Kafka as well.)
func TestListenersOfNoProtocol(t *testing.T) {
	for protocol, want := range map[int16]int16{0: 0, 3: 0, 4: kerr.UnknownServerError.Code, -1: kerr.UnknownServerError.Code} {
		e := kafkaLike(t)
		req := kmsg.NewPtrControllerRegistrationRequest()
		req.ControllerID = 9
		req.Listeners = []kmsg.ControllerRegistrationRequestListener{{Name: "C", Host: "h", Port: 9, SecurityProtocol: protocol}}
		d, err := RegisterController(e, req)
		code := int16(0)
		if err != nil {
			code = err.(*Error).Code
		}
		if code != want || (len(d.Records) > 0) != (want == 0) {
			t.Errorf("protocol %d: code %d, %d records", protocol, code, len(d.Records))
		}
	}
}

// TestControlledShutdown: a broker that wants to stop loses its leaderships at once, and may go
// when all others that live know their new leaders. Then its session is over.
func TestControlledShutdown(t *testing.T) {
	e, _ := trio(t, false)
	epoch := func(id ids.NodeID) int64 { return e.Image.Cluster.Broker(id).Epoch }
	stop := func() *kmsg.BrokerHeartbeatResponse {
		return e.beat(t, 1, epoch(1), func(r *kmsg.BrokerHeartbeatRequest) { r.WantShutdown = true })
	}
	behind := int64(e.NextOffset) - 1
	e.beat(t, 2, epoch(2), nil)
	e.beat(t, 3, epoch(3), nil)
	if r := stop(); r.ShouldShutdown || r.IsFenced || e.only().Leader != 2 || slices.Contains(e.only().ISR, 1) || !e.Image.Cluster.Broker(1).InControlledShutdown {
		t.Fatalf("asks: %+v %+v", r, *e.only())
	}
	moved := e.NextOffset
	if r := stop(); r.ShouldShutdown || r.IsFenced || e.NextOffset != moved {
		t.Errorf("nobody knows it yet: %+v", r)
	}
	e.beat(t, 2, epoch(2), nil)
	e.beat(t, 3, epoch(3), func(r *kmsg.BrokerHeartbeatRequest) { r.CurrentMetadataOffset = behind })
	if r := stop(); r.ShouldShutdown {
		t.Errorf("3 does not know it yet: %+v", r)
	}
	parts, err := e.place(3, 2)
	if err != nil || slices.ContainsFunc(parts, func(p *image.Partition) bool { return p.Has(1) }) {
		t.Errorf("placed on a broker that stops: %v %+v", err, parts)
	}
	e.apply(t, Fence(e, 3)) // it does not count any more
	if r := stop(); !r.ShouldShutdown || !r.IsFenced || !e.Image.Cluster.Broker(1).Fenced {
		t.Errorf("all know it: %+v", r)
	}
	e.ID = 9 // for the broker of the controller's own process would always be let in
	if _, err := RegisterBroker(e, registrationOf(1, 9)); err != nil {
		t.Errorf("back again: %v", err)
	}
}

// TestTwoShutDown: of two brokers that stop, neither waits for the other.
func TestTwoShutDown(t *testing.T) {
	e, _ := trio(t, false)
	stop := func(id ids.NodeID, offset int64) *kmsg.BrokerHeartbeatResponse {
		return e.beat(t, int32(id), e.Image.Cluster.Broker(id).Epoch, func(r *kmsg.BrokerHeartbeatRequest) { r.WantShutdown, r.CurrentMetadataOffset = true, offset })
	}
	stop(1, 0)
	if stop(2, 0); e.only().Leader != 3 {
		t.Fatalf("%+v", *e.only())
	}
	e.beat(t, 3, e.Image.Cluster.Broker(3).Epoch, nil)
	for _, id := range []ids.NodeID{1, 2} {
		if r := stop(id, 0); !r.ShouldShutdown {
			t.Errorf("%d: %+v", id, r)
		}
	}
}

// TestShutdownWithoutLeaderships: who leads nothing may go at once.
func TestShutdownWithoutLeaderships(t *testing.T) {
	e, _ := trio(t, false)
	e.apply(t, e.electedElsewhere())
	r := e.beat(t, 1, e.Image.Cluster.Broker(1).Epoch, func(r *kmsg.BrokerHeartbeatRequest) { r.WantShutdown = true })
	if b := e.Image.Cluster.Broker(1); !r.ShouldShutdown || !b.Fenced || b.InControlledShutdown || slices.Contains(e.only().ISR, 1) {
		t.Errorf("%+v %+v", r, *b)
	}
}

// electedElsewhere moves what 1 leads to 2.
func (e *Env) electedElsewhere() (d Decision) {
	e.Image.Topics.Each(func(t *image.Topic) bool {
		for i, p := range t.Partitions {
			if p.Leader == 1 {
				d.add(&records.PartitionChangeRecord{TopicID: t.ID, PartitionID: int32(i), Leader: 2, LeaderRecoveryState: noRecoveryChange}, 2)
			}
		}
		return true
	})
	return d
}

// TestUnfencing: a broker is unfenced when it asks and has read its own registration, by
// the epoch of that only; and fenced when it asks.
func TestUnfencing(t *testing.T) {
	e := kafkaLike(t)
	d, err := RegisterBroker(e, registrationOf(2, 1))
	if err != nil {
		t.Fatal(err)
	}
	e.apply(t, d)
	epoch := d.Reply.(*kmsg.BrokerRegistrationResponse).BrokerEpoch
	registered := int64(e.NextOffset) - 1
	if _, err := RegisterBroker(e, registrationOf(2, 2)); err != nil {
		t.Errorf("another one before the first heartbeat: %v", err)
	}
	for _, c := range []struct {
		what         string
		offset       int64
		fence        bool
		caught, open bool
	}{
		{"before its registration", registered - 1, false, false, false},
		{"without being asked", registered, true, true, false},
		{"at its registration", registered, false, true, true},
		{"behind again", registered - 1, false, false, true}, // who is unfenced stays so
		{"asks to be fenced", registered, true, true, false},
	} {
		r := e.beat(t, 2, epoch, func(r *kmsg.BrokerHeartbeatRequest) { r.CurrentMetadataOffset, r.WantFence = c.offset, c.fence })
		if r.IsCaughtUp != c.caught || r.IsFenced == c.open || e.Image.Cluster.Broker(2).Fenced == c.open {
			t.Errorf("%s: %+v", c.what, r)
		}
	}
	e.Now += 8999
	e.Live.Contact(2, epoch+1, e.Now) // another incarnation's
	e.Now++
	if _, err := RegisterBroker(e, registrationOf(2, 2)); err != nil {
		t.Errorf("a heartbeat of another epoch kept the session: %v", err)
	}
	e.Live.Contact(2, epoch, e.Now)
	if _, err := RegisterBroker(e, registrationOf(2, 2)); err == nil || err.(*Error).Code != kerr.DuplicateBrokerRegistration.Code {
		t.Errorf("two processes of one id: %v", err)
	}
}

// TestAmendedRegistration: the same process registers again, with other listeners. It keeps its
// epoch, its state and its leaderships, and what it read of the metadata before does not count.
func TestAmendedRegistration(t *testing.T) {
	e, _ := trio(t, false)
	before := e.Image.Cluster.Broker(1)
	req := registrationOf(1, 1)
	req.Listeners[0].Port = 9999
	d, err := RegisterBroker(e, req)
	if err != nil || len(d.Records) != 1 {
		t.Fatalf("%v %v", err, d.Records)
	}
	e.apply(t, d)
	if b := e.Image.Cluster.Broker(1); b.Epoch != before.Epoch || b.Fenced || b.Endpoints[0].Port != 9999 || e.only().Leader != 1 {
		t.Errorf("%+v %+v", *b, *e.only())
	}
	if r := e.beat(t, 1, before.Epoch, func(r *kmsg.BrokerHeartbeatRequest) { r.CurrentMetadataOffset = int64(e.NextOffset) - 2 }); r.IsCaughtUp || r.IsFenced {
		t.Errorf("before it read that: %+v", r)
	}
}

// TestCordonedDirectories: what a broker says of them is noted when it is news, in whatever order.
func TestCordonedDirectories(t *testing.T) {
	e := kafkaLike(t)
	a, b := [16]byte{1, 200}, [16]byte{1, 201}
	for i, c := range []struct {
		told [][16]byte
		news bool
	}{{nil, false}, {[][16]byte{}, true}, {[][16]byte{}, false}, {[][16]byte{b, a}, true}, {[][16]byte{a, b}, false}, {nil, false}, {[][16]byte{a}, true}} {
		before := e.NextOffset
		e.beat(t, 1, e.Image.Cluster.Broker(1).Epoch, func(r *kmsg.BrokerHeartbeatRequest) { r.CordonedLogDirs = c.told })
		if news := e.NextOffset > before; news != c.news {
			t.Errorf("%d: %v: %v", i, c.told, news)
		}
	}
	if _, err := e.place(1, 1); err == nil {
		t.Error("placed on a broker all of whose directories are cordoned")
	}
}
