package ids

import (
	"bytes"
	"crypto/rand"
	"testing"
)

func TestUUIDText(t *testing.T) {
	// The id of the container image that Apache Kafka publishes.
	u, err := ParseUUID("5L6g3nShT-eMCtK--X86sw")
	if err != nil || u.String() != "5L6g3nShT-eMCtK--X86sw" {
		t.Fatalf("parse and print: %v %v", u, err)
	}
	for _, bad := range []string{"", "short", "5L6g3nShT-eMCtK--X86sw==", "5L6g3nShT-eMCtK--X86s!", "5L6g3nShT-eMCtK--X86sw5L6g3nShT"} {
		if _, err := ParseUUID(bad); err == nil {
			t.Errorf("ParseUUID(%q) did not fail", bad)
		}
	}
}

func TestRandomUUIDNeverLooksLikeAFlag(t *testing.T) {
	// 0xfb starts a text with '+' or '-'; the second draw must be used.
	first := append([]byte{0xfb}, make([]byte, 15)...)
	second := append([]byte{0x01}, make([]byte, 15)...)
	u, err := RandomUUID(bytes.NewReader(append(first, second...)))
	if err != nil || u[0] != 1 || u[6]>>4 != 4 || u[8]>>6 != 2 {
		t.Fatalf("got %v %v", u, err)
	}
	a, _ := RandomUUID(rand.Reader)
	b, _ := RandomUUID(rand.Reader)
	if a == b || a.IsZero() {
		t.Fatalf("not random: %v %v", a, b)
	}
}

func TestOffsetAndEpochOrder(t *testing.T) {
	if !(OffsetAndEpoch{9, 1}).Less(OffsetAndEpoch{3, 2}) || (OffsetAndEpoch{3, 2}).Less(OffsetAndEpoch{3, 2}) ||
		!(OffsetAndEpoch{3, 2}).Less(OffsetAndEpoch{4, 2}) {
		t.Fatal("positions are ordered by epoch, then offset")
	}
}
