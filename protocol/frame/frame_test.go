package frame

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/schema"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// eachVersion runs fn for every message and version there is.
func eachVersion(fn func(d direction, m *schema.Message, version int16)) {
	for d := range directions {
		for _, e := range apikey.All() {
			if msg := messages().get(d, e.Key); msg != nil {
				full := mustParse(msg.text)
				for v := e.Min; v <= e.Max; v++ {
					fn(d, &full, v)
				}
			}
		}
	}
}

// The table of keys, the descriptions and kmsg must agree: three sources.
func TestTableMatchesDescriptionsAndKmsg(t *testing.T) {
	for _, e := range apikey.All() {
		req := kmsg.RequestForKey(int16(e.Key))
		if e.Max < e.Min {
			continue
		}
		for d := range directions {
			m := messages().get(d, e.Key)
			if m == nil {
				t.Errorf("%v: no %s described", e.Key, directionNames[d])
				continue
			}
			if !m.head.Versions.Covers(schema.Range{Min: e.Min, Max: e.Max}) {
				t.Errorf("%v: %s described for %v, table has %d-%d", e.Key, directionNames[d], m.head.Versions, e.Min, e.Max)
			}
		}
		if req == nil || req.MaxVersion() < e.Max {
			t.Errorf("%v: kmsg cannot speak version %d", e.Key, e.Max)
			continue
		}
		for v := e.Min; v <= e.Max; v++ {
			if req.SetVersion(v); req.IsFlexible() != requestFlexible(e.Key, v) {
				t.Errorf("%v version %d: kmsg says flexible %v", e.Key, v, req.IsFlexible())
			}
		}
	}
}

func newMessage(d direction, key int16, version int16) kmsg.Request {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	return req
}

// decoded is what requests and responses have in common.
type decoded interface {
	AppendTo([]byte) []byte
	ReadFrom([]byte) error
}

func target(d direction, key int16, version int16) decoded {
	req := newMessage(d, key, version)
	if d == request {
		return req
	}
	resp := req.ResponseKind()
	resp.SetVersion(version)
	return resp
}

// Random valid messages of every version pass Check to their last byte, decode
// within the cost it charged, and survive a round trip.
func TestRandomMessages(t *testing.T) {
	seed := rand.Uint64()
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	eachVersion(func(d direction, m *schema.Message, version int16) {
		for round := range rounds {
			rnd := rand.New(rand.NewPCG(seed, uint64(round)))
			body := randomBody(rnd, m, version, round%2 == 1)
			name := fmt.Sprintf("seed %d round %d: %s version %d", seed, round, m.Name, version)
			s := scan{buf: body, limit: 1 << 30}
			if s.shape(shapeOf(d, apikey.Key(m.Key), version)); s.err != nil || s.at != len(body) {
				t.Fatalf("%s: %d of %d bytes: %v\n%x", name, s.at, len(body), s.err, body)
			}
			roundTrip(t, name, d, m.Key, version, body, s.cost)
		}
	})
}

func roundTrip(t *testing.T, name string, d direction, key, version int16, body []byte, cost int64) {
	t.Helper()
	first := target(d, key, version)
	if err := first.ReadFrom(body); err != nil {
		t.Fatalf("%s: passed Check, but kmsg: %v\n%x", name, err, body)
	}
	if got := heapSize(reflect.ValueOf(first)); got > cost+1024 {
		t.Errorf("%s: decoded to %d bytes, charged %d", name, got, cost)
	}
	again := first.AppendTo(nil)
	second := target(d, key, version)
	if err := second.ReadFrom(again); err != nil {
		t.Fatalf("%s: what kmsg wrote: %v", name, err)
	}
	if third := second.AppendTo(nil); !bytes.Equal(again, third) {
		t.Fatalf("%s: round trip\n%x\n%x", name, again, third)
	}
	if _, err := check(d, apikey.Key(key), version, again, 1<<30); err != nil {
		t.Fatalf("%s: what kmsg wrote: %v\n%x", name, err, again)
	}
}

// heapSize adds up what a decoded message allocated, without the message itself
// and without bytes, which alias the frame.
func heapSize(v reflect.Value) (n int64) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return 0
		}
		if v.Elem().Kind() != reflect.Struct {
			n = int64(v.Elem().Type().Size())
		}
		return n + heapSize(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			n += heapSize(v.Field(i))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			n = int64(v.Len()) * int64(v.Type().Elem().Size())
			for i := range v.Len() {
				n += heapSize(v.Index(i))
			}
		}
	case reflect.String:
		return int64(v.Len())
	case reflect.Map:
		if v.Len() > 0 {
			return 300 + int64(v.Len())*64
		}
	}
	return n
}

func TestHeaderRoundTrip(t *testing.T) {
	for _, e := range apikey.All() {
		for v := e.Min; v <= e.Max; v++ {
			req := newMessage(request, int16(e.Key), v)
			f := AppendRequest([]byte("before"), req, 77, "client")[len("before")+sizePrefix:]
			h, body, err := ParseHeader(f)
			want := Header{Key: e.Key, Version: v, CorrelationID: 77, ClientID: "client", HasClientID: true}
			if err != nil || h != want {
				t.Fatalf("%v version %d: %+v %v", e.Key, v, h, err)
			}
			got, err := DecodeRequest(h, body)
			if err != nil || !reflect.DeepEqual(got.AppendTo(nil), req.AppendTo(nil)) {
				t.Fatalf("%v version %d: %v", e.Key, v, err)
			}
			resp := req.ResponseKind()
			rf := AppendResponse(nil, e.Key, v, 77, resp)[sizePrefix:]
			if id, err := CorrelationID(rf); id != 77 || err != nil {
				t.Fatalf("%v version %d: correlation %d %v", e.Key, v, id, err)
			}
			back, err := DecodeResponse(req, rf)
			if err != nil || !bytes.Equal(back.AppendTo(nil), resp.AppendTo(nil)) {
				t.Fatalf("%v version %d: response: %v", e.Key, v, err)
			}
		}
	}
}

func TestHeaderErrors(t *testing.T) {
	cases := map[string]error{
		"":                                            ErrMalformed,
		"\x00\x03\x00\x00\x00\x00\x00":                ErrMalformed,          // short
		"\x00\x04\x00\x00\x00\x00\x00\x01":            ErrUnsupportedKey,     // LeaderAndIsr
		"\x00\x5d\x00\x00\x00\x00\x00\x01":            ErrUnsupportedKey,     // 93
		"\xff\xff\x00\x00\x00\x00\x00\x01":            ErrUnsupportedKey,     // -1
		"\x00\x00\x00\x02\x00\x00\x00\x01":            ErrUnsupportedVersion, // Produce 2
		"\x00\x03\x00\x0e\x00\x00\x00\x01":            ErrUnsupportedVersion, // Metadata 14
		"\x00\x03\x00\x00\x00\x00\x00\x01\x00\x05abc": ErrMalformed,          // client id too long
		"\x00\x03\x00\x0c\x00\x00\x00\x01\xff\xff\x80\x80\x80\x80\x08":     ErrMalformed, // 2^31 tags
		"\x00\x03\x00\x0c\x00\x00\x00\x01\xff\xff\x80\x80\x80\x80\x80\x01": ErrMalformed, // varint of six bytes
	}
	for in, want := range cases {
		if _, _, err := ParseHeader([]byte(in)); !errors.Is(err, want) {
			t.Errorf("%x: %v, want %v", in, err, want)
		}
	}
	h, body, err := ParseHeader([]byte("\x00\x12\x00\x63\x00\x00\x00\x01\xff\xff\x00whatever"))
	if err != nil || h.HasClientID || !h.IsUnknownApiVersions() {
		t.Fatalf("ApiVersions 99: %+v %v", h, err)
	}
	req, err := DecodeRequest(h, body)
	if err != nil || req.GetVersion() != 0 {
		t.Fatalf("ApiVersions 99: %v %v", req, err)
	}
	resp := AppendResponse(nil, h.Key, 0, 1, UnsupportedApiVersions())
	if want := "\x00\x00\x00\x10\x00\x00\x00\x01\x00\x23\x00\x00\x00\x01\x00\x12\x00\x00\x00\x04"; string(resp) != want {
		t.Errorf("answer %x, want %x", resp, want)
	}
	req.SetVersion(4)
	back, err := DecodeResponse(req, resp[sizePrefix:])
	if err != nil || back.GetVersion() != 0 || back.(*kmsg.ApiVersionsResponse).ErrorCode != 35 {
		t.Errorf("client reads %+v %v", back, err)
	}
}

// Frames that claim much and have little are refused before anything is allocated.
func TestHostileBodies(t *testing.T) {
	metadata9 := Header{Key: apikey.Metadata, Version: 9}
	cases := []struct {
		name string
		h    Header
		body []byte
		want error
	}{
		{"count beyond the bytes", metadata9, []byte("\xff\xff\xff\xff\x0f"), ErrMalformed},
		{"count of elements of one byte", metadata9, append([]byte{0x80, 0x08}, make([]byte, 1200)...), ErrMalformed},
		{"null topic name", metadata9, []byte("\x02\x00\x00\x00\x00\x00\x00"), ErrMalformed},
		{"negative count", Header{Key: apikey.DeleteTopics, Version: 1}, []byte("\xff\xff\xff\xff\x00\x00\x00\x00"), ErrMalformed},
		{"trailing bytes", Header{Key: apikey.ListGroups, Version: 0}, []byte("x"), nil},
		{"tags that repeat", Header{Key: apikey.ListGroups, Version: 3}, append([]byte{0x80, 0x10}, bytes.Repeat([]byte{50, 0}, 2048)...), ErrMalformed},
		{"short", Header{Key: apikey.Fetch, Version: 12}, []byte("\x00"), ErrMalformed},
	}
	for _, c := range cases {
		if err := Check(c.h, c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// Tag 0 of a fetch response is NodeEndpoints from version 16 on; kmsg reads it
	// in every version.
	early := append([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00"), 1, 0)
	if _, err := check(response, apikey.Fetch, 13, early, 1<<20); !errors.Is(err, ErrMalformed) {
		t.Errorf("a tag of a later version: %v", err)
	}
	// Three bytes a topic, decoded to eighty.
	big := append([]byte{0x80, 0x80, 0x80, 0x04}, bytes.Repeat([]byte{1, 0}, 8<<20)...)
	if err := Check(metadata9, big); !errors.Is(err, ErrTooCostly) {
		t.Errorf("8 million empty topics: %v", err)
	}
}

// Check must cost nothing in the steady state.
func TestCheckAllocatesNothing(t *testing.T) {
	h, body := produceFrame(3, 100)
	if n := testing.AllocsPerRun(100, func() {
		if err := Check(h, body); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func produceFrame(partitions, size int) (Header, []byte) {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks = 13, -1
	topic := kmsg.NewProduceRequestTopic()
	for i := range partitions {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), make([]byte, size)
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	return Header{Key: apikey.Produce, Version: 13}, req.AppendTo(nil)
}

func fetchFrame(partitions int) (Header, []byte) {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 18
	topic := kmsg.NewFetchRequestTopic()
	for i := range partitions {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition = int32(i)
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	return Header{Key: apikey.Fetch, Version: 18}, req.AppendTo(nil)
}

func benchmarkCheck(b *testing.B, h Header, body []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := Check(h, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckProduce(b *testing.B) {
	h, body := produceFrame(10, 16<<10)
	benchmarkCheck(b, h, body)
}

func BenchmarkCheckFetch(b *testing.B) {
	h, body := fetchFrame(100)
	benchmarkCheck(b, h, body)
}

func BenchmarkParseHeader(b *testing.B) {
	req := kmsg.NewPtrProduceRequest()
	req.Version = 13
	f := AppendRequest(nil, req, 1, "producer-1")[sizePrefix:]
	b.ReportAllocs()
	var h Header
	for b.Loop() {
		if _, err := h.Parse(f); err != nil {
			b.Fatal(err)
		}
	}
}
