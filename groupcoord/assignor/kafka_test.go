package assignor_test

import (
	"bytes"
	_ "embed"
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/assignor/assignortest"
)

// recorded is what Apache Kafka 4.3.1's assignors made of groups at random; "go run
// ./tests/interop -record -run assignors" writes it, and "make interop" asks about
// other groups every time.
//
//go:embed testdata/kafka.txt
var recorded []byte

func TestAsGoodAsKafka(t *testing.T) {
	cases, err := assignortest.Read(bytes.NewReader(recorded))
	if err != nil || len(cases) < 200 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	var ours, kafka assignortest.Tally
	for _, c := range cases {
		if err := assignortest.Compare(c, &ours, &kafka); err != nil {
			t.Errorf("%v\n%s%s", err, c.Question(), c.Answer())
		}
	}
	if err := assignortest.CompareAll(ours, kafka); err != nil {
		t.Error(err)
	}
}
