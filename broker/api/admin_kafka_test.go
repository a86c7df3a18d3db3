package api

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// testdata/kafka_answers.txt was recorded from Apache Kafka 4.3.1: key,
// version, body of the request, frame of the answer. Every answer here must be
// the same to the byte.
func TestAnswersAreKafkas(t *testing.T) {
	w := newAdminWorld(t, kafkaWorld()...)
	w.answer = func(kmsg.Request) kmsg.Response { return nil }
	f, err := os.Open("testdata/kafka_answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var key, version int16
		var reqHex, wantHex string
		fields := strings.Split(s.Text(), " ") // an empty body is an empty field
		fmt.Sscan(fields[0], &key)
		fmt.Sscan(fields[1], &version)
		reqHex, wantHex = fields[2], fields[3]
		body, _ := hex.DecodeString(reqHex)
		want, _ := hex.DecodeString(wantHex)
		if got := w.exchange(key, version, body); !bytes.Equal(got, want) {
			t.Errorf("%s version %d of %s:\ngot  %s\nwant %s", kmsg.NameForKey(key), version, reqHex, show(key, version, got), show(key, version, want))
		}
	}
}

func show(key, version int16, b []byte) string {
	resp := kmsg.ResponseForKey(key)
	resp.SetVersion(version)
	at := 4
	if resp.IsFlexible() {
		at = 5
	}
	err := resp.ReadFrom(b[at:])
	return fmt.Sprintf("%+v %v", resp, err)
}

// testdata/kafka_configs.tsv: type, resource, key, value, read-only, source,
// sensitive, type of value, synonyms as key=value@source.
func TestConfigsAreDescribedAsKafkas(t *testing.T) {
	w := newAdminWorld(t, kafkaWorld()...)
	want := map[string][]string{}
	data, err := os.ReadFile("testdata/kafka_configs.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		f := strings.SplitN(line, "\t", 3)
		want[f[0]+"\t"+f[1]] = append(want[f[0]+"\t"+f[1]], line)
	}
	for resource, lines := range want {
		var typ int8
		f := strings.SplitN(resource, "\t", 2)
		fmt.Sscan(f[0], &typ)
		got := describeLines(w, typ, f[1])
		for i := range max(len(got), len(lines)) {
			g, l := "(none)", "(none)"
			if i < len(got) {
				g = got[i]
			}
			if i < len(lines) {
				l = lines[i]
			}
			if g != l {
				t.Fatalf("resource %q:\ngot  %s\nwant %s", resource, g, l)
			}
		}
	}
}

// A resource's name is a few bytes and its answer many thousand: named again and
// again it is described so often and no more.
func TestAResourceIsDescribedSoOftenInAnAnswer(t *testing.T) {
	w := newAdminWorld(t)
	r := kmsg.NewPtrDescribeConfigsRequest()
	for range frame.MaxRepeats + 2 {
		q := kmsg.NewDescribeConfigsRequestResource()
		q.ResourceType, q.ResourceName = kmsg.ConfigResourceTypeBroker, ""
		r.Resources = append(r.Resources, q)
	}
	for i, d := range w.do(4, r).(*kmsg.DescribeConfigsResponse).Resources {
		if told := i < frame.MaxRepeats; told != (d.ErrorCode == 0) || !told && d.ErrorCode != kerr.InvalidRequest.Code {
			t.Fatalf("%d: %+v", i, d)
		}
	}
}

func describeLines(w *adminWorld, typ int8, name string) []string {
	r := kmsg.NewPtrDescribeConfigsRequest()
	q := kmsg.NewDescribeConfigsRequestResource()
	q.ResourceType, q.ResourceName = kmsg.ConfigResourceType(typ), name
	r.Resources, r.IncludeSynonyms = append(r.Resources, q), true
	text := func(s *string) string {
		if s == nil {
			return `\N`
		}
		return *s
	}
	var lines []string
	for _, c := range w.do(4, r).(*kmsg.DescribeConfigsResponse).Resources[0].Configs {
		l := fmt.Sprintf("%d\t%s\t%s\t%s\t%v\t%d\t%v\t%d", typ, name, c.Name, text(c.Value), c.ReadOnly, c.Source, c.IsSensitive, c.ConfigType)
		for _, s := range c.ConfigSynonyms {
			l += fmt.Sprintf("\t%s=%s@%d", s.Name, text(s.Value), s.Source)
		}
		lines = append(lines, l)
	}
	sort.Strings(lines)
	return lines
}
