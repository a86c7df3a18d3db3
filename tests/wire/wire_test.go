// Package wire holds bytes that Apache Kafka 4.3.1 has written and read:
// requests it accepted and its answers, for every key and version that
// tests/twin asks about. They prove protocol/frame without any broker: what was
// recorded must decode, and encode again to the same bytes.
package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type exchange struct {
	key               apikey.Key
	version           int16
	request, response []byte
}

func load(t *testing.T) []exchange {
	t.Helper()
	f, err := os.Open("testdata/frames.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []exchange
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		var e exchange
		var req, resp string
		if _, err := fmt.Sscanf(sc.Text(), "%d %d %s %s", &e.key, &e.version, &req, &resp); err != nil {
			t.Fatalf("line %q: %v", sc.Text(), err)
		}
		if e.request, err = hex.DecodeString(req); err != nil {
			t.Fatal(err)
		}
		if e.response, err = hex.DecodeString(resp); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	if len(out) < 100 {
		t.Fatalf("only %d exchanges recorded", len(out))
	}
	return out
}

func sized(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func TestRequestsDecodeAndEncodeToTheSameBytes(t *testing.T) {
	for _, e := range load(t) {
		t.Run(fmt.Sprintf("%s/v%d", kmsg.NameForKey(int16(e.key)), e.version), func(t *testing.T) {
			h, body, err := frame.ParseHeader(e.request)
			if err != nil {
				t.Fatal(err)
			}
			if h.Key != e.key || h.Version != e.version || h.ClientID != "twin" {
				t.Fatalf("header %+v", h)
			}
			if err := frame.Check(h, body); err != nil {
				t.Fatalf("Check: %v", err)
			}
			req, err := frame.DecodeRequest(h, body)
			if err != nil {
				t.Fatal(err)
			}
			if got := frame.AppendRequest(nil, req, h.CorrelationID, h.ClientID); !bytes.Equal(got, sized(e.request)) {
				t.Errorf("encoded again:\n%x\nrecorded:\n%x", got, sized(e.request))
			}
		})
	}
}

func TestResponsesDecodeAndEncodeToTheSameBytes(t *testing.T) {
	for _, e := range load(t) {
		t.Run(fmt.Sprintf("%s/v%d", kmsg.NameForKey(int16(e.key)), e.version), func(t *testing.T) {
			h, body, err := frame.ParseHeader(e.request)
			if err != nil {
				t.Fatal(err)
			}
			req, err := frame.DecodeRequest(h, body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := frame.DecodeResponse(req, e.response)
			if err != nil {
				t.Fatal(err)
			}
			if got := frame.AppendResponse(nil, e.key, e.version, h.CorrelationID, resp); !bytes.Equal(got, sized(e.response)) {
				t.Errorf("encoded again:\n%x\nrecorded:\n%x", got, sized(e.response))
			}
		})
	}
}

// Every prefix of a real request must be refused without a panic: the cheapest
// hostile input there is.
func TestCutRequestsAreRefused(t *testing.T) {
	for _, e := range load(t) {
		for n := range len(e.request) {
			h, body, err := frame.ParseHeader(e.request[:n])
			if err != nil {
				continue
			}
			if _, err := frame.DecodeRequest(h, body); err == nil {
				t.Errorf("%s v%d: the first %d of %d bytes decode", kmsg.NameForKey(int16(e.key)), e.version, n, len(e.request))
			}
		}
	}
}
