package invariant

import "testing"

func TestCheckPanicsWithContext(t *testing.T) {
	defer func() {
		if got := recover(); got != "invariant: match 3 < next 2" {
			t.Fatalf("recovered %v", got)
		}
	}()
	Check(true, "never formatted")
	Check(false, "match %d < next %d", 3, 2)
}

func TestSometimesCountsOnlyWhatHappened(t *testing.T) {
	before := Reached()["twice"] // the counts are the process's
	Sometimes(false, "never")
	Sometimes(true, "twice")
	Sometimes(true, "twice")
	if r := Reached(); r["twice"] != before+2 || r["never"] != 0 {
		t.Fatalf("reached %v", r)
	}
}
