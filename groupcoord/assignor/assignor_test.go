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

// BenchmarkUniform: one more member of 10,000 with 5,000 partitions.
func BenchmarkUniform(b *testing.B) {
	for _, alike := range []bool{true, false} {
		b.Run(fmt.Sprintf("alike=%v", alike), func(b *testing.B) {
			g := Group{Partitions: func(ids.TopicID) int32 { return 50 }}
			for i := range 10_000 {
				m := Member{ID: fmt.Sprintf("m%06d", i)}
				for t := range 100 {
					if alike || (i+t)%10 != 0 {
						m.Topics = append(m.Topics, id(t))
					}
				}
				g.Members = append(g.Members, m)
			}
			for m, a := range Uniform(g) {
				g.Members[m].Owned = a
			}
			g.Members[5000].Owned = nil
			for b.Loop() {
				Uniform(g)
			}
		})
	}
}
