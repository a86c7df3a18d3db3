package assignortest

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// What is written is read back.
func TestTextOfCases(t *testing.T) {
	var text strings.Builder
	for i := range uint64(50) {
		c := Random(rand.New(rand.NewPCG(1, i)))
		for _, m := range c.Members {
			c.Kafka = append(c.Kafka, m.Owned)
		}
		text.WriteString(c.Question() + c.Answer())
	}
	cases, err := Read(strings.NewReader(text.String()))
	if err != nil || len(cases) != 50 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	var again strings.Builder
	for _, c := range cases {
		again.WriteString(c.Question() + c.Answer())
		for i, m := range c.Members {
			if len(m.Owned) > 0 && !reflect.DeepEqual(m.Owned, c.Kafka[i]) {
				t.Fatalf("%v became %v", m.Owned, c.Kafka[i])
			}
		}
	}
	if again.String() != text.String() {
		t.Error("cases are not what they were")
	}
}

// Compare refuses what a careless assignor does.
func TestCompareFindsFaults(t *testing.T) {
	const topic = "uniform\ntopic 2 4 - - - -\n"
	for name, text := range map[string]string{
		"Kafka's: nobody has":  topic + "member a - - 2\n=\na 2:0,1,2\n\n",
		"Kafka's: two have":    topic + "member a - - 2\nmember b - - 2\n=\na 2:0,1,2\nb 2:2,3\n\n",
		"Kafka's: not wanted":  topic + "member a - - 2\nmember b - - -\n=\na 2:0,1\nb 2:2,3\n\n",
		"range: another range": "range\ntopic 2 4 - - - -\nmember a - - 2\nmember b - - 2\n=\na 2:2,3\nb 2:0,1\n\n",
		"":                     topic + "member a - - 2 2:0,1\nmember b - - 2 2:2,3\n=\na 2:0,1\nb 2:2,3\n\n",
	} {
		cases, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := Compare(cases[0], &Tally{}, &Tally{}); (err == nil) != (name == "") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
