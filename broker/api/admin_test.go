package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/groupcoord"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// threeBrokers: 1 is well, 2 is fenced, 3 has only another listener, 4 is not
// registered though it is a replica.
func threeBrokers() []records.Record {
	recs := []records.Record{
		brokerRecord(1, false, endpoint("PLAINTEXT", "one", 1), endpoint("OTHER", "one.other", 11)),
		brokerRecord(2, true, endpoint("PLAINTEXT", "two", 2)),
		brokerRecord(3, false, endpoint("OTHER", "three.other", 13)),
	}
	all := []ids.NodeID{1, 2, 3, 4}
	return append(recs, topicRecords("t", "01", all, 1, 2, 3, 4, ids.NoNode)...)
}

func metadataOf(w *adminWorld, version int16, topics ...string) *kmsg.MetadataResponse {
	r := kmsg.NewPtrMetadataRequest()
	for i := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &topics[i]
		r.Topics = append(r.Topics, t)
	}
	return w.do(version, r).(*kmsg.MetadataResponse)
}

func TestMetadataSeesThroughTheListener(t *testing.T) {
	w := newAdminWorld(t, threeBrokers()...)
	for _, tt := range []struct {
		version int16
		want    string // partition:error/leader/replicas/offline, …
	}{
		{0, "0:9/1/[1]/[] 1:9/2/[1]/[] 2:5/-1/[1]/[] 3:5/-1/[1]/[] 4:5/-1/[1]/[]"},
		{5, "0:0/1/[1 2 3 4]/[2 3 4] 1:0/2/[1 2 3 4]/[2 3 4] 2:5/-1/[1 2 3 4]/[2 3 4] 3:5/-1/[1 2 3 4]/[2 3 4] 4:5/-1/[1 2 3 4]/[2 3 4]"},
		{6, "0:0/1/[1 2 3 4]/[2 3 4] 1:0/2/[1 2 3 4]/[2 3 4] 2:72/-1/[1 2 3 4]/[2 3 4] 3:5/-1/[1 2 3 4]/[2 3 4] 4:5/-1/[1 2 3 4]/[2 3 4]"},
		{13, "0:0/1/[1 2 3 4]/[2 3 4] 1:0/2/[1 2 3 4]/[2 3 4] 2:72/-1/[1 2 3 4]/[2 3 4] 3:5/-1/[1 2 3 4]/[2 3 4] 4:5/-1/[1 2 3 4]/[2 3 4]"},
	} {
		resp := metadataOf(w, tt.version, "t")
		var got []string
		for _, p := range resp.Topics[0].Partitions {
			got = append(got, fmt.Sprintf("%d:%d/%d/%v/%v", p.Partition, p.ErrorCode, p.Leader, p.Replicas, p.OfflineReplicas))
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("version %d:\ngot  %s\nwant %s", tt.version, g, tt.want)
		}
		if len(resp.Brokers) != 1 || resp.Brokers[0].Host != "one" {
			t.Errorf("brokers %+v", resp.Brokers)
		}
	}
}

// The hand-written encoder must write what kmsg would.
func TestAllTopicsEncodeAsKmsg(t *testing.T) {
	recs := threeBrokers()
	for i := range 40 {
		recs = append(recs, topicRecords(fmt.Sprintf("topic-%02d", i), fmt.Sprintf("%02x", i+2), []ids.NodeID{1, 3}, 1, 3, 1)...)
	}
	recs = append(recs, topicRecords(image.GroupTopic, "ff", []ids.NodeID{1}, 1)...)
	w := newAdminWorld(t, recs...)
	for version := int16(0); version <= 13; version++ {
		r := kmsg.NewPtrMetadataRequest()
		r.Version, r.IncludeTopicAuthorizedOperations, r.IncludeClusterAuthorizedOperations = version, true, true
		if version == 0 {
			r.Topics = []kmsg.MetadataRequestTopic{}
		}
		first := w.exchange(3, version, r.AppendTo(nil))
		resp := w.do(version, r).(*kmsg.MetadataResponse)
		if n := len(resp.Topics); n != 42 {
			t.Fatalf("version %d: %d topics", version, n)
		}
		at := 4
		if resp.IsFlexible() {
			at = 5
		}
		if again := resp.AppendTo(nil); string(again) != string(first[at:]) {
			if c := resp.ControllerID; c != 1 && c != 3 {
				t.Errorf("controller %d", c)
			}
			resp.ControllerID = 4 - resp.ControllerID // the other of the two that are alive
			if string(resp.AppendTo(nil)) != string(first[at:]) {
				t.Errorf("version %d is not what kmsg writes", version)
			}
		}
	}
}

func TestAllTopicsFollowTheImage(t *testing.T) {
	w := newAdminWorld(t, threeBrokers()...)
	count := func() int { return len(w.do(12, kmsg.NewPtrMetadataRequest()).(*kmsg.MetadataResponse).Topics) }
	if count() != 1 || count() != 1 {
		t.Error("one topic")
	}
	w.img.Store(imageOf(t, append(threeBrokers(), topicRecords("u", "02", []ids.NodeID{1}, 1)...)...))
	if count() != 2 {
		t.Error("the answer did not follow the image")
	}
}

func TestAutoCreation(t *testing.T) {
	w := newAdminWorld(t, threeBrokers()...)
	release := make(chan struct{})
	w.answer = func(req kmsg.Request) kmsg.Response {
		<-release
		return req.ResponseKind()
	}
	r := kmsg.NewPtrMetadataRequest()
	name, bad := "fresh", "not good"
	for _, n := range []*string{&name, &bad, &name} {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = n
		r.Topics = append(r.Topics, topic)
	}
	if resp := w.do(9, r).(*kmsg.MetadataResponse); len(resp.Topics) != 2 || resp.Topics[0].ErrorCode != 3 || resp.Topics[1].ErrorCode != 17 {
		t.Fatalf("%+v", resp.Topics)
	}
	r.AllowAutoTopicCreation = true
	for range 5 {
		w.do(9, r)
	}
	create := (<-w.asked).(*kmsg.CreateTopicsRequest)
	if len(create.Topics) != 1 || create.Topics[0].Topic != "fresh" || create.Topics[0].NumPartitions != 2 || create.Topics[0].ReplicationFactor != -1 {
		t.Errorf("asked for %+v", create.Topics)
	}
	close(release)
	if len(w.asked) > 0 {
		t.Error("a topic on its way was asked for twice")
	}
}

func TestFindCoordinator(t *testing.T) {
	recs := append(threeBrokers(), topicRecords(image.GroupTopic, "0a", []ids.NodeID{1}, 1, 2, 3)...)
	w := newAdminWorld(t, recs...)
	w.answer = func(req kmsg.Request) kmsg.Response { return req.ResponseKind() }
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.CoordinatorKeys = []string{"g0", "g1", "g2"} // on partitions 1, 2 and 0
	resp := w.do(4, r).(*kmsg.FindCoordinatorResponse)
	var got []string
	for _, c := range resp.Coordinators {
		got = append(got, fmt.Sprintf("%s %d %s %d %d", c.Key, c.NodeID, c.Host, c.Port, c.ErrorCode))
	}
	// Led by 2, which is fenced, by 3, which has not this listener, and by 1.
	want := []string{"g0 -1  -1 15", "g1 -1  -1 15", "g2 1 one 1 0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q want %q", got, want)
	}
	old := kmsg.NewPtrFindCoordinatorRequest()
	old.CoordinatorKey = "g2"
	if resp := w.do(3, old).(*kmsg.FindCoordinatorResponse); resp.NodeID != 1 || *resp.ErrorMessage != "NONE" {
		t.Errorf("%+v", resp)
	}
	old.CoordinatorType = 1
	w.do(3, old)
	create := (<-w.asked).(*kmsg.CreateTopicsRequest)
	if create.Topics[0].Topic != image.TxnTopic || create.Topics[0].NumPartitions != 50 || create.Topics[0].ReplicationFactor != 3 || len(create.Topics[0].Configs) != 5 {
		t.Errorf("asked for %+v", create.Topics)
	}
}

func TestCoordinatorPartition(t *testing.T) {
	// What java.lang.String.hashCode gives, without its sign, modulo 50. The
	// third hashes to the one number that has no positive twin; the last is
	// outside the basic plane and counts as two units.
	for key, want := range map[string]int{"": 0, "a": 97 % 50, "polygenelubricants": 0, "group": 98629247 % 50, "\U0001d11e": (31*0xd834 + 0xdd1e) % 50} {
		if got := groupcoord.PartitionFor(key, 50); int(got) != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
}

func TestApiVersions(t *testing.T) {
	w := newAdminWorld(t, append(threeBrokers(), &records.FeatureLevelRecord{Name: "metadata.version", FeatureLevel: 30})...)
	for version := int16(0); version <= 4; version++ {
		r := kmsg.NewPtrApiVersionsRequest()
		r.ClientSoftwareName, r.ClientSoftwareVersion = "apache-kafka-java", "4.3.1"
		resp := w.do(version, r).(*kmsg.ApiVersionsResponse)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) != len(apikey.Advertised(apikey.Broker, false)) {
			t.Errorf("version %d: %d keys", version, len(resp.ApiKeys))
		}
		zero := slices.ContainsFunc(resp.SupportedFeatures, func(f kmsg.ApiVersionsResponseSupportedFeature) bool { return f.MinVersion == 0 })
		if zero != (version == 4) {
			t.Errorf("version %d: features from level 0: %v", version, zero)
		}
		if version >= 3 && (resp.FinalizedFeaturesEpoch != 1277 || len(resp.FinalizedFeatures) != 1 || resp.FinalizedFeatures[0].MaxVersionLevel != 30) {
			t.Errorf("version %d: %+v", version, resp.FinalizedFeatures)
		}
	}
	for _, name := range []string{"", "-x", "x-", "a_b", "a b"} {
		r := kmsg.NewPtrApiVersionsRequest()
		r.ClientSoftwareName, r.ClientSoftwareVersion = name, "1"
		if resp := w.do(3, r).(*kmsg.ApiVersionsResponse); resp.ErrorCode != kerr.InvalidRequest.Code || len(resp.ApiKeys) != 0 {
			t.Errorf("name %q: %d", name, resp.ErrorCode)
		}
	}
}

func TestForwardedRequests(t *testing.T) {
	w := newAdminWorld(t, threeBrokers()...)
	w.answer = func(req kmsg.Request) kmsg.Response {
		resp := req.ResponseKind()
		if r, ok := resp.(*kmsg.CreateTopicsResponse); ok {
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.Topic, topic.ErrorCode = "x", 36
			r.Topics = append(r.Topics, topic)
		}
		return resp
	}
	for _, key := range []int16{19, 20, 37, 55, 57} {
		e, _ := apikey.Lookup(apikey.Key(key))
		for version := e.Min; version <= e.Max; version++ {
			w.do(version, kmsg.RequestForKey(key))
			if got := <-w.asked; got.Key() != key || got.GetVersion() != version {
				t.Errorf("key %d version %d arrived as %d version %d", key, version, got.Key(), got.GetVersion())
			}
		}
	}
	if resp := w.do(7, kmsg.NewPtrCreateTopicsRequest()).(*kmsg.CreateTopicsResponse); len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != 36 {
		t.Errorf("%+v", resp)
	}
}

func TestForwardingTimesOut(t *testing.T) {
	w := newAdminWorld(t, threeBrokers()...)
	w.answer = func(kmsg.Request) kmsg.Response { return nil }
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics = append(create.Topics, kmsg.CreateTopicsRequestTopic{Topic: "x"})
	if r := w.do(7, create).(*kmsg.CreateTopicsResponse); r.Topics[0].ErrorCode != 7 || *r.Topics[0].ErrorMessage != "The request timed out." {
		t.Errorf("%+v", r)
	}
	drop := kmsg.NewPtrDeleteTopicsRequest()
	drop.TopicNames = []string{"x"}
	if r := w.do(5, drop).(*kmsg.DeleteTopicsResponse); r.Topics[0].ErrorCode != 7 {
		t.Errorf("%+v", r)
	}
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	alter.Resources = append(alter.Resources, kmsg.IncrementalAlterConfigsRequestResource{ResourceType: 2, ResourceName: "t"})
	if r := w.do(1, alter).(*kmsg.IncrementalAlterConfigsResponse); r.Resources[0].ErrorCode != 7 {
		t.Errorf("%+v", r)
	}
}

// Each line is an alteration that Apache Kafka was asked, and its answer.
var alterations = []struct {
	typ         int8
	name        string
	changes     []string // key, value, operation
	code        int16
	text        string
	toTheBroker bool // not forwarded
}{
	{4, "1", []string{"node.id", "5", "0"}, 42, "Cannot update these configs dynamically: [node.id]", true},
	{4, "1", []string{"log.retention.ms", "x", "0"}, 42, "Invalid value x for configuration log.retention.ms: Not a number of type LONG", true},
	{4, "1", []string{"log.retention.ms", "0", "0"}, 42, "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1", true},
	{4, "1", []string{"log.retention.ms", "nil", "0"}, 42, "Null value not supported for : log.retention.ms", true},
	{4, "1", []string{"log.retention.ms", "5", "2"}, 40, "Config value append is not allowed for config key: log.retention.ms", true},
	{4, "1", []string{"log.retention.ms", "5", "7"}, 42, "Unknown operations type 7", true},
	{4, "1", []string{"nope", "5", "2"}, 40, "Unknown config name: nope", true},
	{4, "1", []string{"nope", "5", "0"}, 0, "", false},
	{4, "1", []string{"log.cleanup.policy", "compact", "2"}, 0, "", false},
	{4, "1", []string{"log.cleanup.policy", "delete", "3"}, 0, "", false},
	{4, "", []string{"num.io.threads", "100", "0"}, 42, "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for num.io.threads=100, value should not be greater than double the current value 8 for configuration Invalid dynamic configuration", true},
	{4, "2", []string{"log.retention.ms", "5", "0"}, 42, "Unexpected broker id, expected 1, but received 2", true},
	{4, "x", []string{"log.retention.ms", "5", "0"}, 42, "Node id must be an integer, but it is: x", true},
	{4, "1", []string{"log.retention.ms", "5", "0", "log.retention.ms", "6", "0"}, 42, "Error due to duplicate config keys", true},
	{8, "1", []string{"root", "DEBUG", "0"}, 0, "", true},
	{8, "1", []string{"nope", "DEBUG", "0"}, 40, "Logger nope does not exist!", true},
	{8, "1", []string{"root", "LOUD", "0"}, 40, "Cannot set the log level of root to LOUD as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN", true},
	{8, "1", []string{"root", "nil", "1"}, 42, "Removing the log level of the root logger is not allowed", true},
	{8, "1", []string{"root", "x", "2"}, 42, "APPEND operation is not allowed for the BROKER_LOGGER resource", true},
	{8, "1", []string{"root", "x", "9"}, -1, "", true},
	{8, "2", []string{"root", "INFO", "0"}, 42, "Unexpected node id. Expected 1, but received 2", true},
	{8, "", []string{"root", "INFO", "0"}, 42, "Node id must be an integer, but it is: ", true},
	{3, "x", []string{"a", "b", "0"}, 42, "Unknown resource type 3", true},
	{2, "t", []string{"retention.ms", "5", "0"}, 0, "", false},
}

func TestIncrementalAlterConfigs(t *testing.T) {
	w := newAdminWorld(t, threeBrokers()...)
	w.answer = func(req kmsg.Request) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
		for _, q := range req.(*kmsg.IncrementalAlterConfigsRequest).Resources {
			resp.Resources = append(resp.Resources, kmsg.IncrementalAlterConfigsResponseResource{ResourceType: q.ResourceType, ResourceName: q.ResourceName})
		}
		return resp
	}
	for _, tt := range alterations {
		r := kmsg.NewPtrIncrementalAlterConfigsRequest()
		q := kmsg.NewIncrementalAlterConfigsRequestResource()
		q.ResourceType, q.ResourceName = kmsg.ConfigResourceType(tt.typ), tt.name
		for i := 0; i < len(tt.changes); i += 3 {
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Name = tt.changes[i]
			if tt.changes[i+1] != "nil" {
				c.Value = &tt.changes[i+1]
			}
			fmt.Sscan(tt.changes[i+2], &c.Op)
			q.Configs = append(q.Configs, c)
		}
		r.Resources = append(r.Resources, q)
		got := w.do(1, r).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]
		text := ""
		if got.ErrorMessage != nil {
			text = *got.ErrorMessage
		}
		if got.ErrorCode != tt.code || text != tt.text || got.ResourceName != tt.name {
			t.Errorf("%v:\ngot  %d %s\nwant %d %s", tt.changes, got.ErrorCode, text, tt.code, tt.text)
		}
		if forwarded := len(w.asked) > 0; forwarded == tt.toTheBroker {
			t.Errorf("%v: forwarded %v", tt.changes, forwarded)
		}
		for len(w.asked) > 0 {
			<-w.asked
		}
	}
	if w.loggers["root"] != "DEBUG" {
		t.Errorf("levels %v", w.loggers)
	}
}

func TestAlterationsAreSplitAndMerged(t *testing.T) {
	w := newAdminWorld(t, threeBrokers()...)
	text := "no such topic"
	w.answer = func(req kmsg.Request) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
		for _, q := range req.(*kmsg.AlterConfigsRequest).Resources {
			resp.Resources = append(resp.Resources, kmsg.AlterConfigsResponseResource{ResourceType: q.ResourceType, ResourceName: q.ResourceName, ErrorCode: 3, ErrorMessage: &text})
		}
		slices.Reverse(resp.Resources)
		return resp
	}
	five := "5"
	r := kmsg.NewPtrAlterConfigsRequest()
	add := func(typ int8, name, key string, value *string) {
		r.Resources = append(r.Resources, kmsg.AlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceType(typ), ResourceName: name,
			Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: key, Value: value}}})
	}
	add(2, "b", "retention.ms", &five)
	add(8, "1", "root", &five)
	add(4, "1", "log.retention.ms", nil)
	add(2, "a", "retention.ms", &five)
	add(2, "twice", "retention.ms", &five)
	add(2, "twice", "retention.ms", &five)
	var got []string
	for _, q := range w.do(2, r).(*kmsg.AlterConfigsResponse).Resources {
		got = append(got, fmt.Sprintf("%s %d %s", q.ResourceName, q.ErrorCode, *q.ErrorMessage))
	}
	want := []string{"b 3 no such topic", "1 42 Unknown resource type 8", "1 42 Null value not supported for : log.retention.ms", "a 3 no such topic",
		"twice 42 Each resource must appear at most once.", "twice 42 Each resource must appear at most once."}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if sent := (<-w.asked).(*kmsg.AlterConfigsRequest); len(sent.Resources) != 2 {
		t.Errorf("forwarded %d resources", len(sent.Resources))
	}
}

func TestDynamicConfigActs(t *testing.T) {
	w := newAdminWorld(t, append(threeBrokers(), configRecord(4, "", "message.max.bytes", "7"), configRecord(4, "1", "message.max.bytes", "nonsense"),
		configRecord(4, "", "node.id", "9"), configRecord(4, "1", "fetch.max.bytes", "5000"))...)
	now := w.config.Now()
	if now.Int("message.max.bytes") != 7 || now.Int("node.id") != 1 || now.Int("fetch.max.bytes") != 57671680 {
		t.Errorf("%d %d %d", now.Int("message.max.bytes"), now.Int("node.id"), now.Int("fetch.max.bytes"))
	}
	if w.config.Now() != now {
		t.Error("made anew without a change")
	}
}

func TestTopicNames(t *testing.T) {
	for name, good := range map[string]bool{"a": true, "a.b_c-D9": true, strings.Repeat("x", 249): true, strings.Repeat("x", 250): false,
		"": false, ".": false, "..": false, "...": true, "a b": false, "ä": false, "a\n": false} {
		if err := configs.CheckTopicName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestLargeBrokerIDs(t *testing.T) {
	recs := []records.Record{brokerRecord(maxDense, false, endpoint("PLAINTEXT", "far", 1)), brokerRecord(maxDense-1, false, endpoint("PLAINTEXT", "near", 2))}
	w := newAdminWorld(t, append(recs, topicRecords("t", "01", []ids.NodeID{maxDense, maxDense - 1, 1 << 30}, maxDense, maxDense-1, 1<<30)...)...)
	var leaders []int32
	for _, p := range metadataOf(w, 12, "t").Topics[0].Partitions {
		leaders = append(leaders, p.Leader)
		if len(p.OfflineReplicas) != 1 {
			t.Errorf("offline %v", p.OfflineReplicas)
		}
	}
	if !slices.Equal(leaders, []int32{maxDense, maxDense - 1, -1}) {
		t.Errorf("leaders %v", leaders)
	}
}

func TestOfflineDirectories(t *testing.T) {
	v := newView(imageOf(t, &records.RegisterBrokerRecord{BrokerID: 1, EndPoints: []records.BrokerEndpoint{endpoint("P", "h", 1)},
		LogDirs: []ids.DirectoryID{{7}}}).Cluster, "P")
	for dir, offline := range map[ids.DirectoryID]bool{{7}: false, {8}: true, ids.UnassignedDir: false, ids.MigratingDir: false, ids.LostDir: true} {
		p := &image.Partition{Replicas: []ids.NodeID{1}, Directories: []ids.DirectoryID{dir}}
		if v.offline(p, 0) != offline {
			t.Errorf("directory %v", dir)
		}
	}
}

var _ forward.Doer = (*forward.Client)(nil)

// FuzzAdmin sends any body to every key of this file's handlers: nothing may
// panic, hang, or keep the server from answering the next connection.
func FuzzAdmin(f *testing.F) {
	keys := []int16{3, 10, 18, 19, 20, 32, 33, 37, 44, 55, 57, 60, 74, 75}
	for i, key := range keys {
		req := kmsg.RequestForKey(key)
		e, _ := apikey.Lookup(apikey.Key(key))
		req.SetVersion(e.Max)
		f.Add(uint8(i), uint8(e.Max), req.AppendTo(nil))
	}
	w := newAdminWorld(f, threeBrokers()...)
	w.asked = make(chan kmsg.Request, 1)
	w.answer = func(req kmsg.Request) kmsg.Response {
		<-w.asked
		return req.ResponseKind()
	}
	f.Fuzz(func(t *testing.T, which, version uint8, body []byte) {
		key := keys[int(which)%len(keys)]
		e, _ := apikey.Lookup(apikey.Key(key))
		req := kmsg.RequestForKey(key)
		v := e.Min + int16(version)%(e.Max-e.Min+1)
		req.SetVersion(v)
		nc, err := w.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(5 * time.Second))
		if req.ReadFrom(body) == nil {
			exchange(t, nc, req.IsFlexible(), key, v, req.AppendTo(nil))
		}
		again, err := w.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		exchange(t, again, false, 18, 0, nil)
	})
}
