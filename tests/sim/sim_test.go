package sim

import (
	"flag"
	"testing"
)

var (
	seed  = flag.Uint64("seed", 0, "run this seed only, with its log")
	seeds = flag.Uint64("seeds", 300, "number of seeds")
)

func TestQuorumSurvivesFaults(t *testing.T) {
	if *seed != 0 {
		res, err := Run(Config{Seed: *seed, Log: func(s string) { t.Log(s) }})
		t.Logf("%+v", res)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	events, committed := 0, 0
	for s := uint64(1); s <= *seeds; s++ {
		res, err := Run(Config{Seed: s})
		if err != nil {
			t.Error(err)
		}
		events += res.Events
		committed += int(res.Committed)
	}
	t.Logf("%d seeds, %d events, %d records committed", *seeds, events, committed)
}
