package decide

import (
	"slices"
	"testing"

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
