package clients

import "testing"

func TestSumSeesWhatItIsFor(t *testing.T) {
	k, v, s := Record(7)
	if RecordSum(k, v, s) == RecordSum(k, v, []byte("8")) {
		t.Error("the header does not count")
	}
	if Sum(3) != RecordSum(Record(0))+RecordSum(Record(1))+RecordSum(Record(2)) {
		t.Error("Sum is not the sum")
	}
}

func TestParseAndCheck(t *testing.T) {
	res, err := Parse("noise\ncodec=lz4 produced=10 consumed=4 resumed=6 sum=1\n")
	if err != nil || res["lz4"].Consumed != 4 || res["lz4"].Resumed != 6 {
		t.Fatalf("%+v, %v", res, err)
	}
	good := Result{"lz4", 10, 4, 6, Sum(10)}
	for name, r := range map[string]Result{
		"lost":          {"lz4", 10, 4, 5, Sum(10)},
		"repeated":      {"lz4", 10, 4, 7, Sum(10)},
		"changed":       {"lz4", 10, 4, 6, Sum(10) + 1},
		"first starved": {"lz4", 10, 3, 7, Sum(10)},
	} {
		if r.Check(10) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
	if err := good.Check(10); err != nil {
		t.Error(err)
	}
	if _, err := Parse("codec=lz4 produced=x"); err == nil {
		t.Error("a broken line passes")
	}
}
