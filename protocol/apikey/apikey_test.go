package apikey

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTable(t *testing.T) {
	for i, e := range All() {
		if int(e.Key) != i {
			t.Errorf("row %d is key %d", i, e.Key)
		}
		if got, ok := Lookup(e.Key); !ok || got != e {
			t.Errorf("Lookup(%d): %+v", i, got)
		}
		// kmsg spells some names otherwise, and calls reassignments assignments.
		same := strings.EqualFold(kmsg.NameForKey(int16(i)), e.Name) || e.Key == AlterPartitionReassignments
		if e.Key.String() != e.Name || !same {
			t.Errorf("key %d is %q here, %q to kmsg", i, e.Name, kmsg.NameForKey(int16(i)))
		}
		if e.MaxStable > e.Max || e.Max >= e.Min != (e.Broker || e.Controller) {
			t.Errorf("%s: versions %d-%d, stable to %d, listeners %v %v", e.Name, e.Min, e.Max, e.MaxStable, e.Broker, e.Controller)
		}
		if e.ServedBroker && !e.Broker || e.ServedController && !e.Controller {
			t.Errorf("%s is served on a listener it does not belong to", e.Name)
		}
	}
	for _, k := range []Key{-1, Key(len(table)), 1000, -32768} {
		if _, ok := Lookup(k); ok {
			t.Errorf("key %d is assigned", k)
		}
	}
	if s := Key(500).String(); s != "ApiKey(500)" {
		t.Error(s)
	}
}

func TestAdvertised(t *testing.T) {
	for _, l := range []Listener{Broker, Controller} {
		keys := Advertised(l, false)
		for i, k := range keys {
			e, _ := Lookup(Key(k.ApiKey))
			if i > 0 && keys[i-1].ApiKey >= k.ApiKey {
				t.Errorf("%s is out of order", e.Name)
			}
			min := e.Min
			if e.Key == Produce {
				min = 0 // librdkafka looks for it; see produceAdvertisedMin
			}
			if !e.Served(l) || k.MinVersion != min || k.MaxVersion != e.MaxStable {
				t.Errorf("%s: advertised %d-%d", e.Name, k.MinVersion, k.MaxVersion)
			}
		}
	}
}

func TestVersions(t *testing.T) {
	e, _ := Lookup(Metadata)
	for v, want := range map[int16]bool{-1: false, 0: true, 13: true, 14: false} {
		if e.Exists(v) != want || e.Enabled(v, false) != want {
			t.Errorf("Metadata version %d", v)
		}
	}
	if p, _ := Lookup(Produce); p.Exists(2) || p.Class != TwoStage {
		t.Errorf("Produce: %+v", p)
	}
}
