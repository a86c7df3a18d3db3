package twin

import (
	"os"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/tests/node"
)

func TestMain(m *testing.M) {
	code := m.Run()
	node.Clean()
	os.Exit(code)
}

// TestGregorAnswersAsKafkaDid asks gregor every question whose answer by Apache
// Kafka 4.3.1 is recorded in testdata. To see one key alone: -run
// 'TestGregorAnswersAsKafkaDid/Produce'.
func TestGregorAnswersAsKafkaDid(t *testing.T) {
	want, err := Read("testdata")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := node.Build()
	if err != nil {
		t.Fatal(err)
	}
	srv, err := node.Run(node.Gregor(bin), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	target := Target{Name: "gregor", Addr: srv.Addr(), Controller: srv.Controller()}
	served, err := Served(target)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := Ask(target, Scripts(), served, false)
	if err != nil {
		t.Fatalf("%v\n%s", err, srv.Output())
	}
	diffs, _ := Judge(Compare(want, got))
	byKey := map[string][]Diff{}
	for _, d := range diffs {
		name, _, _ := strings.Cut(d.Title, " ")
		byKey[name] = append(byKey[name], d)
	}
	names := map[string]bool{}
	for _, title := range got.Titles() {
		name, _, _ := strings.Cut(title, " ")
		names[name] = true
	}
	for name := range names {
		t.Run(name, func(t *testing.T) { report(t, byKey[name]) })
	}
	if !srv.Alive() {
		t.Fatalf("the server has ended:\n%s", srv.Output())
	}
}

func report(t *testing.T, diffs []Diff) {
	t.Helper()
	last := ""
	for _, d := range diffs {
		if d.Title != last {
			t.Errorf("%s", d.Title)
			last = d.Title
		}
		t.Errorf("    %s: Kafka %s, gregor %s", d.Path, d.Want, d.Got)
	}
}
