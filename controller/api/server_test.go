package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/controller/active"
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// elsewhere is a controller that does not lead.
type elsewhere struct{ asked int }

func (e *elsewhere) Do(_ active.Command, _ time.Duration, reply active.Reply) {
	e.asked++
	reply(nil, active.ErrNotController)
}
func (*elsewhere) Image() *image.Image        { return image.Empty() }
func (*elsewhere) Leader() ids.LeaderAndEpoch { return ids.LeaderAndEpoch{Leader: 2} }
func (*elsewhere) PeerSeen()                  {}

// broken is an active controller that fails on every request.
type broken struct{ elsewhere }

func (b *broken) Do(_ active.Command, _ time.Duration, reply active.Reply) {
	b.asked++
	reply(nil, &decide.Error{Code: kerr.UnknownServerError.Code, Message: "runtime error: index out of range"})
}

type quiet struct{}

func (quiet) Handle(req kmsg.Request, reply func(kmsg.Response)) { reply(req.ResponseKind()) }
func (quiet) KRaftVersion() int16                                { return 1 }

// ask sends a request of that key and version with one element wherever the
// response repeats a code for each.
func ask(t *testing.T, s *Server, key apikey.Key, version int16, forwarded bool) (resp kmsg.Response, refused error) {
	req := kmsg.RequestForKey(int16(key))
	req.SetVersion(version)
	switch r := req.(type) {
	case *kmsg.CreateTopicsRequest:
		r.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "t"}}
	case *kmsg.DeleteTopicsRequest:
		name := "t"
		r.TopicNames, r.Topics = []string{"t"}, []kmsg.DeleteTopicsRequestTopic{{Topic: &name}}
	case *kmsg.CreatePartitionsRequest:
		r.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "t"}}
	case *kmsg.ElectLeadersRequest:
		r.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	case *kmsg.AlterPartitionAssignmentsRequest:
		r.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "t", Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{}}}}
	case *kmsg.AlterClientQuotasRequest:
		r.Entries = []kmsg.AlterClientQuotasRequestEntry{{}}
	case *kmsg.AlterUserSCRAMCredentialsRequest:
		r.Deletions = []kmsg.AlterUserSCRAMCredentialsRequestDeletion{{Name: "u"}}
	case *kmsg.AlterConfigsRequest:
		r.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: 2, ResourceName: "t"}}
	case *kmsg.IncrementalAlterConfigsRequest:
		r.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: 2, ResourceName: "t"}}
	}
	answers := 0
	s.handles[key](&request{header: frame.Header{Key: key, Version: version}, body: req, listener: "CONTROLLER", forwarded: forwarded,
		reply:  func(r kmsg.Response) { answers++; resp = r },
		refuse: func(err error) { answers++; refused = err }})
	if answers != 1 {
		t.Errorf("%v version %d was answered %d times", key, version, answers)
	}
	return resp, refused
}

// TestNotTheController: every key that changes metadata says so in every
// version, and to a broker that forwards so that its client does not see it.
func TestNotTheController(t *testing.T) {
	a := &elsewhere{}
	s, err := New(Parts{Node: decide.Node{ID: 1, ClusterID: "c"}, Active: a, Quorum: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	changing := 0
	for _, e := range apikey.All() {
		if !e.Served(apikey.Controller) || e.Key == apikey.DescribeConfigs {
			continue
		}
		for v := e.Min; v <= e.MaxStable; v++ {
			a.asked = 0
			resp, refused := ask(t, s, e.Key, v, false)
			if a.asked == 0 {
				continue
			}
			changing++
			text, err := json.Marshal(resp)
			if err != nil || refused != nil || !strings.Contains(string(text), `"ErrorCode":41`) {
				t.Errorf("%v version %d: %s", e.Key, v, text)
			}
			if resp, refused := ask(t, s, e.Key, v, true); resp != nil || refused == nil {
				t.Errorf("%v version %d forwarded: %v", e.Key, v, resp)
			}
		}
	}
	if changing < 30 {
		t.Errorf("only %d keys and versions reached the active controller", changing)
	}
}

// TestFailureIsTold: a request that the controller fails on is answered in every
// key and version, to forwarders too, and the answer does not tell of its inside.
func TestFailureIsTold(t *testing.T) {
	a := &broken{}
	s, err := New(Parts{Node: decide.Node{ID: 1, ClusterID: "c"}, Active: a, Quorum: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range apikey.All() {
		if !e.Served(apikey.Controller) || e.Key == apikey.DescribeConfigs {
			continue
		}
		for v := e.Min; v <= e.MaxStable; v++ {
			for _, forwarded := range []bool{false, true} {
				a.asked = 0
				resp, refused := ask(t, s, e.Key, v, forwarded)
				if a.asked == 0 {
					continue
				}
				text, err := json.Marshal(resp)
				if err != nil || refused != nil || !strings.Contains(string(text), `"ErrorCode":-1`) || strings.Contains(string(text), "runtime error") {
					t.Errorf("%v version %d: %s", e.Key, v, text)
				}
			}
		}
	}
}

func TestApiVersions(t *testing.T) {
	s, err := New(Parts{Node: decide.Node{ID: 1}, Active: &elsewhere{}, Quorum: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	for v := int16(0); v <= 4; v++ {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = v, "go", "1"
		var got *kmsg.ApiVersionsResponse
		ask := func() {
			s.handles[apikey.ApiVersions](&request{body: req, reply: func(r kmsg.Response) { got = r.(*kmsg.ApiVersionsResponse) }})
		}
		if ask(); got.ErrorCode != 0 || len(got.ApiKeys) < 20 || (len(got.SupportedFeatures) == 1) == (v >= 4) {
			t.Errorf("version %d: %+v", v, got)
		}
		if req.ClientSoftwareName = "-bad-"; v >= 3 {
			if ask(); got.ErrorCode != 42 {
				t.Errorf("bad software name: %+v", got)
			}
		}
	}
}
