package raft

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The list of doc.go and the table that enter checks are the same.
func TestTransitionsAreAsDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Role{}
	for r, name := range roleNames {
		byName[name] = Role(r)
	}
	told := map[Role][]Role{}
	from, reading := Role(0), false
	for _, line := range strings.Split(string(doc), "\n") {
		words := strings.Fields(strings.TrimPrefix(line, "//"))
		switch {
		case strings.Contains(line, "# Roles and the transitions"):
			reading = true
		case strings.Contains(line, "# Invariants"):
			reading = false
		case !reading || len(words) == 0:
		case words[0] == "→":
			told[from] = append(told[from], byName[words[1]])
		case slices.Contains(roleNames[:], words[0]):
			from = byName[words[0]]
		}
	}
	for r, name := range roleNames {
		want, got := slices.Clone(legal[Role(r)]), told[Role(r)]
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s: the table allows %v, doc.go tells %v", name, want, got)
		}
	}
}

// Everything that is not in the table panics, whoever asks for it.
func TestOtherTransitionsAreBugs(t *testing.T) {
	states := []state{&unattached{}, &prospective{}, &candidate{}, &leader{}, &follower{}, &resigned{}}
	for _, from := range states {
		for _, to := range states {
			h := &harness{}
			h.cluster(1, 0, false)
			c := h.nodes[0].core
			c.role = from
			panicked := func() (p bool) {
				defer func() { p = recover() != nil }()
				c.enter(to, "test")
				return false
			}()
			if allowed := slices.Contains(legal[from.role()], to.role()); allowed == panicked {
				t.Errorf("%v → %v: allowed %v, panicked %v", from.role(), to.role(), allowed, panicked)
			}
		}
	}
}
