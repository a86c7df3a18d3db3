package assignor

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
	"pgregory.net/rapid"
)

func id(n int) ids.TopicID { return ids.TopicID{15: byte(n + 1), 14: byte((n + 1) >> 8)} }

// drawGroup draws a group with members that have had something before: their own
// share of an assignment, or anything.
func drawGroup(t *rapid.T, members, topics, partitions int, alike bool) Group {
	counts := map[ids.TopicID]int32{}
	var all []ids.TopicID
	for i := range rapid.IntRange(0, topics).Draw(t, "topics") {
		counts[id(i)] = int32(rapid.IntRange(0, partitions).Draw(t, "partitions"))
		all = append(all, id(i))
	}
	g := Group{Partitions: func(x ids.TopicID) int32 { return counts[x] }}
	free := map[ids.TopicIDPartition]bool{}
	for x, n := range counts {
		for p := range n + 1 { // one that doesn't exist any more
			free[ids.TopicIDPartition{Topic: x, Partition: p}] = true
		}
	}
	for i := range rapid.IntRange(1, members).Draw(t, "members") {
		m := Member{ID: fmt.Sprint("m", rapid.IntRange(0, 9).Draw(t, "id"), i), Topics: all}
		if rapid.IntRange(0, 4).Draw(t, "static") == 0 {
			instance := "i" + m.ID
			m.Instance = &instance
		}
		if !alike {
			m.Topics = nil
			for _, x := range all {
				if rapid.Bool().Draw(t, "subscribed") {
					m.Topics = append(m.Topics, x)
				}
			}
		}
		var owned []ids.TopicIDPartition
		for _, x := range all {
			for p := range counts[x] + 1 {
				tp := ids.TopicIDPartition{Topic: x, Partition: p}
				if free[tp] && rapid.IntRange(0, 2).Draw(t, "owns") == 0 {
					free[tp] = false
					owned = append(owned, tp)
				}
			}
		}
		m.Owned = pack(owned)
		g.Members = append(g.Members, m)
	}
	return g
}

// complete checks that everything that can be owned is, once, by a subscriber.
func complete(t *rapid.T, g Group, out []Assignment) {
	owner := map[ids.TopicIDPartition]int{}
	for m, a := range out {
		for i, tp := range a {
			if !slices.Contains(g.Members[m].Topics, tp.Topic) {
				t.Fatalf("member %d has topic %v, to which it isn't subscribed", m, tp.Topic)
			}
			if len(tp.Partitions) == 0 || !slices.IsSorted(tp.Partitions) || i > 0 && compareTopics(a[i-1].Topic, tp.Topic) >= 0 {
				t.Fatalf("assignment is not in order: %v", a)
			}
			for _, p := range tp.Partitions {
				x := ids.TopicIDPartition{Topic: tp.Topic, Partition: p}
				if _, taken := owner[x]; taken || p < 0 || p >= g.Partitions(tp.Topic) {
					t.Fatalf("%v is taken (%v) or isn't there", x, taken)
				}
				owner[x] = m
			}
		}
	}
	for _, m := range g.Members {
		for _, x := range m.Topics {
			for p := range g.Partitions(x) {
				if _, ok := owner[ids.TopicIDPartition{Topic: x, Partition: p}]; !ok {
					t.Fatalf("nobody has %v-%d", x, p)
				}
			}
		}
	}
}

func squares(out []Assignment) int {
	sum := 0
	for _, a := range out {
		sum += a.Count() * a.Count()
	}
	return sum
}

// least is the smallest sum of squared loads of all assignments there are.
func least(g Group) int {
	var parts []ids.TopicIDPartition
	seen := map[ids.TopicID]bool{}
	for _, m := range g.Members {
		for _, x := range m.Topics {
			for p := range g.Partitions(x) {
				if !seen[x] {
					parts = append(parts, ids.TopicIDPartition{Topic: x, Partition: p})
				}
			}
			seen[x] = true
		}
	}
	load, best := make([]int, len(g.Members)), 1<<30
	var try func(i int)
	try = func(i int) {
		if i == len(parts) {
			sum := 0
			for _, l := range load {
				sum += l * l
			}
			best = min(best, sum)
			return
		}
		for m := range g.Members {
			if slices.Contains(g.Members[m].Topics, parts[i].Topic) {
				load[m]++
				try(i + 1)
				load[m]--
			}
		}
	}
	try(0)
	return best
}

func TestUniformIsCompleteAndAsEvenAsCanBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t, 3, 3, 3, rapid.Bool().Draw(t, "alike"))
		out := Uniform(g)
		complete(t, g, out)
		if got, want := squares(out), least(g); got != want {
			t.Fatalf("loads have squares %d, could have %d: %v", got, want, out)
		}
	})
}

// kept is how many partitions an assignment leaves with their owner.
func kept(g Group, out []Assignment) int {
	n := 0
	for m, a := range out {
		for _, tp := range a {
			for _, had := range g.Members[m].Owned {
				if had.Topic != tp.Topic {
					continue
				}
				for _, p := range tp.Partitions {
					if slices.Contains(had.Partitions, p) {
						n++
					}
				}
			}
		}
	}
	return n
}

func TestUniformMovesNothingThatNeedNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t, 6, 4, 6, true)
		out := Uniform(g)
		complete(t, g, out)
		total := 0
		for _, x := range g.Members[0].Topics {
			total += int(g.Partitions(x))
		}
		quota, extra := total/len(g.Members), total%len(g.Members)
		if got, want := kept(g, out), mostKept(g, quota, extra); got != want {
			t.Fatalf("%d stay, %d could: %v", got, want, out)
		}
	})
}

// mostKept is how many partitions can stay with their owners in an even
// assignment: each member its quota, and some of those who have more one more.
func mostKept(g Group, quota, extra int) int {
	n := 0
	for _, m := range g.Members {
		have := 0
		for _, tp := range m.Owned {
			for _, p := range tp.Partitions {
				if p < g.Partitions(tp.Topic) {
					have++
				}
			}
		}
		n += min(have, quota)
		if have > quota && extra > 0 {
			n++
			extra--
		}
	}
	return n
}

func TestAssigningAgainChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t, 6, 4, 6, rapid.Bool().Draw(t, "alike"))
		for _, name := range []string{"uniform", "range"} {
			assign := ByName(name)
			first := assign(g)
			complete(t, g, first)
			for m := range g.Members {
				g.Members[m].Owned = first[m]
			}
			if again := assign(g); !reflect.DeepEqual(first, again) {
				t.Fatalf("%s: first %v, then %v", name, first, again)
			}
		}
	})
}

// Racks cost neither evenness nor stickiness, and nobody is given a partition
// from afar that it could swap for, or that somebody near has room for.
func TestUniformPrefersRacks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t, 6, 4, 6, true)
		without := Uniform(g)
		racks := []string{"a", "b", "c"}
		for i := range g.Members {
			if rapid.IntRange(0, 4).Draw(t, "has rack") > 0 {
				g.Members[i].Rack = &racks[rapid.IntRange(0, 2).Draw(t, "rack")]
			}
		}
		seed := rapid.IntRange(0, 1000).Draw(t, "racks")
		g.Racks = func(x ids.TopicID, p int32) []string {
			return racks[(int(x[15])+int(p)+seed)%3:][:1]
		}
		out := Uniform(g)
		complete(t, g, out)
		if squares(out) != squares(without) || kept(g, out) != kept(g, without) {
			t.Fatalf("squares %d and %d, kept %d and %d", squares(out), squares(without), kept(g, out), kept(g, without))
		}
		checkFar(t, g, out)
	})
}

// checkFar looks at every partition given to a member of another rack: no member
// in the partition's rack has less than that one.
func checkFar(t *rapid.T, g Group, out []Assignment) {
	for m, a := range out {
		for _, tp := range a {
			for _, p := range tp.Partitions {
				rack := g.Racks(tp.Topic, p)[0]
				if isOwned(g.Members[m].Owned, tp.Topic, p) || g.Members[m].Rack != nil && *g.Members[m].Rack == rack {
					continue
				}
				for other := range out {
					if r := g.Members[other].Rack; r != nil && *r == rack && out[other].Count() < a.Count() {
						t.Fatalf("%v-%d went to member %d with %d, far away from member %d with %d", tp.Topic, p, m, a.Count(), other, out[other].Count())
					}
				}
			}
		}
	}
}

func isOwned(a Assignment, x ids.TopicID, p int32) bool {
	for _, tp := range a {
		if tp.Topic == x && slices.Contains(tp.Partitions, p) {
			return true
		}
	}
	return false
}

// Who keeps all that it has gets the very same assignment.
func TestUnchangedMembersShareTheirAssignment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t, 6, 4, 6, rapid.Bool().Draw(t, "alike"))
		for m, a := range Uniform(g) {
			if owned := g.Members[m].Owned; len(a) > 0 && equal(a, owned) && &a[0] != &owned[0] {
				t.Fatalf("member %d was given a copy of what it had", m)
			}
		}
	})
}

func TestOrderOfMembersDoesNotShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t, 5, 3, 5, false)
		turned := Group{Members: slices.Clone(g.Members), Partitions: g.Partitions}
		slices.Reverse(turned.Members)
		for _, name := range []string{"uniform", "range"} {
			a, b := ByName(name)(g), ByName(name)(turned)
			slices.Reverse(b)
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("%s: %v, turned %v", name, a, b)
			}
		}
	})
}

func TestRange(t *testing.T) {
	instance := "a-static-one"
	g := Group{Partitions: func(ids.TopicID) int32 { return 5 }, Members: []Member{
		{ID: "b", Topics: []ids.TopicID{id(0), id(1)}},
		{ID: "a", Topics: []ids.TopicID{id(0)}},
		{ID: "z", Instance: &instance, Topics: []ids.TopicID{id(0), id(1)}},
	}}
	want := []Assignment{
		{{id(0), []int32{4}}, {id(1), []int32{3, 4}}},
		{{id(0), []int32{2, 3}}},
		{{id(0), []int32{0, 1}}, {id(1), []int32{0, 1, 2}}},
	}
	if got := Range(g); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if ByName("sticky") != nil {
		t.Fatal("there is no assignor of this name")
	}
}

// BenchmarkUniform: one member joins a group that was divided evenly before.
func BenchmarkUniform(b *testing.B) {
	for _, size := range []struct{ members, topics, partitions int }{{10_000, 100, 50}, {100_000, 100, 1000}} {
		for _, alike := range []bool{true, false} {
			b.Run(fmt.Sprintf("members=%d/partitions=%d/alike=%v", size.members, size.topics*size.partitions, alike), func(b *testing.B) {
				g := divided(size.members, size.topics, size.partitions, alike)
				g.Members[size.members/2].Owned = nil
				b.ReportAllocs()
				for b.Loop() {
					Uniform(g)
				}
			})
		}
	}
}

// BenchmarkUniformLopsided: half the members want one half of the topics, and
// had them to themselves until the others came, who want all.
func BenchmarkUniformLopsided(b *testing.B) {
	g := divided(10_000, 100, 100, true)
	some := g.Members[0].Topics[:50]
	old := Group{Partitions: g.Partitions}
	for i := range g.Members {
		g.Members[i].Owned = nil
		if i%2 == 0 {
			g.Members[i].Topics = some
			old.Members = append(old.Members, g.Members[i])
		}
	}
	for i, a := range Uniform(old) {
		g.Members[2*i].Owned = a
	}
	b.ReportAllocs()
	for b.Loop() {
		Uniform(g)
	}
}

// divided is a group with an even assignment; unless alike, each member leaves
// out a tenth of the topics.
func divided(members, topics, partitions int, alike bool) Group {
	g := Group{Partitions: func(ids.TopicID) int32 { return int32(partitions) }}
	var all []ids.TopicID
	for t := range topics {
		all = append(all, id(t))
	}
	kinds := make([][]ids.TopicID, 10)
	for k := range kinds {
		for t := range topics {
			if alike || t%10 != k {
				kinds[k] = append(kinds[k], all[t])
			}
		}
	}
	for i := range members {
		m := Member{ID: fmt.Sprintf("m%06d", i), Topics: all}
		if !alike {
			m.Topics = kinds[i%10]
		}
		g.Members = append(g.Members, m)
	}
	for m, a := range Uniform(g) {
		g.Members[m].Owned = a
	}
	return g
}

func BenchmarkRange(b *testing.B) {
	g := divided(10_000, 100, 50, true)
	b.ReportAllocs()
	for b.Loop() {
		Range(g)
	}
}
