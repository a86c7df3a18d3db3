package frame

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/schema"
)

// FuzzRequest: no frame panics; one that passes Check decodes, within its
// budget, and what it decodes to passes again when written.
func FuzzRequest(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	eachVersion(func(d direction, m *schema.Message, version int16) {
		if d == request {
			head := binary.BigEndian.AppendUint16(nil, uint16(m.Key))
			head = append(binary.BigEndian.AppendUint16(head, uint16(version)), "\x00\x00\x00\x01\xff\xff"...)
			if m.Flexible.Has(version) {
				head = append(head, 0)
			}
			f.Add(append(head, randomBody(rnd, m, version, true)...))
		}
	})
	f.Fuzz(func(t *testing.T, in []byte) {
		h, body, err := ParseHeader(in)
		if err != nil || h.IsUnknownApiVersions() {
			return
		}
		if Check(h, body) != nil {
			return
		}
		s := scan{buf: body, limit: maxRequestBudget}
		s.shape(shapeOf(request, h.Key, h.Version))
		if _, err := DecodeRequest(h, body); err != nil {
			t.Fatalf("passed Check: %v", err)
		}
		roundTrip(t, h.Key.String(), request, int16(h.Key), h.Version, body[:s.at], s.cost)
	})
}

// FuzzResponse is the same for what a broker or controller answers us.
func FuzzResponse(f *testing.F) {
	rnd := rand.New(rand.NewPCG(3, 4))
	eachVersion(func(d direction, m *schema.Message, version int16) {
		if d == response {
			f.Add(uint8(m.Key), uint8(version), randomBody(rnd, m, version, true))
		}
	})
	f.Fuzz(func(t *testing.T, key, version uint8, body []byte) {
		e, ok := apikey.Lookup(apikey.Key(key))
		if !ok || !e.Exists(int16(version)) {
			return
		}
		s := scan{buf: body, limit: maxResponseBudget}
		if s.shape(shapeOf(response, e.Key, int16(version))); s.err == nil {
			roundTrip(t, e.Name, response, int16(key), int16(version), body[:s.at], s.cost)
		}
	})
}
