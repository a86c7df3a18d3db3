package configs

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// readTSV reads a recording made with Apache Kafka 4.3.1's own classes.
func readTSV(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows [][]string
	for s := bufio.NewScanner(f); s.Scan(); {
		rows = append(rows, strings.Split(s.Text(), "\t"))
	}
	return rows
}

var kinds = map[string]Kind{"broker": Broker, "topic": Topic, "group": Group, "client": ClientMetrics}

// keys.tsv: kind, name, type, default (\N null, \R none), importance, mode, internal.
func TestTableIsKafkas(t *testing.T) {
	count := map[Kind]int{}
	for _, row := range readTSV(t, "keys.tsv") {
		kind := kinds[row[0]]
		count[kind]++
		d, ok := Lookup(kind, row[1])
		if !ok {
			t.Errorf("%s key %s is missing", row[0], row[1])
			continue
		}
		def := `\N`
		if d.Required {
			def = `\R`
		} else if d.Default != nil {
			def = *d.Default
		}
		mode := [...]string{"read-only", "per-broker", "cluster-wide"}[d.Mode]
		if kind != Broker {
			mode = ""
		}
		importance := [...]string{"HIGH", "MEDIUM", "LOW"}[d.Importance]
		got := []string{row[0], d.Name, d.Type.String(), def, importance, mode, map[bool]string{true: "true", false: "false"}[d.Internal]}
		if g, w := strings.Join(got, "|"), strings.Join(row, "|"); g != w {
			t.Errorf("got  %s\nwant %s", g, w)
		}
	}
	count[Broker] += len(dynamicOnlyKeys) + len(ownKeys)
	for kind, n := range count {
		if len(All(kind)) != n {
			t.Errorf("kind %d has %d keys, Kafka %d", kind, len(All(kind)), n)
		}
	}
}

// values.tsv: kind, name, raw text, then "= " and the value's canonical text or
// "! " and the error's.
func TestParseIsKafkas(t *testing.T) {
	for _, row := range readTSV(t, "values.tsv") {
		d, ok := Lookup(kinds[row[0]], row[1])
		if !ok {
			t.Fatalf("%s key %s is missing", row[0], row[1])
		}
		value, err := d.Parse(row[2])
		got := "= " + Format(value)
		if err != nil {
			got = "! " + err.Error()
		}
		if got != row[3] {
			t.Errorf("%s %q:\ngot  %s\nwant %s", d.Name, row[2], got, row[3])
		}
	}
}

func TestDefaultsAreValid(t *testing.T) {
	for _, kind := range kinds {
		for _, d := range All(kind) {
			if d.Default == nil {
				continue
			}
			value, err := d.Parse(*d.Default)
			if err != nil {
				t.Errorf("the default of %s is refused: %v", d.Name, err)
			} else if got := Format(value); got != *d.Default {
				t.Errorf("the default of %s is %q and prints as %q", d.Name, *d.Default, got)
			}
			if d.Doc == "" || strings.HasSuffix(d.Doc, "..") || !strings.HasSuffix(d.Doc, ".") {
				t.Errorf("%s: the doc %q is not a sentence", d.Name, d.Doc)
			}
			for _, s := range d.Synonyms {
				if _, ok := Lookup(Broker, s.Name); !ok {
					t.Errorf("%s has the synonym %s, which is no key", d.Name, s.Name)
				}
			}
		}
	}
}

// Tools compare what DescribeConfigs lists, so what Kafka lacks stays hidden.
func TestOwnKeysAreHiddenAndMarked(t *testing.T) {
	for _, r := range ownKeys {
		d, ok := Lookup(Broker, r.name)
		if !ok || !d.Internal || !strings.HasPrefix(d.Name, "gregor.") {
			t.Errorf("own key %s must be an internal broker key that begins with gregor.", r.name)
		}
	}
}

// What is told to be gone is not in the table, and has a word on what to do.
func TestRemovedKeysAreGone(t *testing.T) {
	for name := range removed {
		if _, known := Lookup(Broker, name); known {
			t.Errorf("%s is a key of Kafka 4.3: it is not removed", name)
		}
		if instead, ok := Removed(name); !ok || instead == "" {
			t.Errorf("%s: %q %v", name, instead, ok)
		}
	}
	if _, ok := Removed("log.dirs"); ok {
		t.Error("log.dirs is told to be gone")
	}
}
