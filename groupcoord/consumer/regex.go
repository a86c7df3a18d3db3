package consumer

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Regular expressions are of RE2's kind, which takes time in proportion to the
// text whatever the expression is. They are matched against whole names of topics,
// by an alarm of the group: when there is one that was not matched yet, when
// topics were made, and when the last time is long ago (Config.RegexRefresh); but
// not again within matchPause. The matching itself is a Search, which the shell
// runs beside the shard.

// matchPause is how long a group's expressions are not matched again, in ms.
const matchPause = 10_000

// Resolved is what a regular expression matched, and when.
type Resolved struct {
	topics  *Set
	version int64 // of the image
	at      int64 // ms
}

// patternChange is what became of a member's regular expression.
type patternChange uint8

const (
	patternSame  patternChange = iota
	patternNew                 // it has to be matched before it means anything
	patternKnown               // the group has matched it already, or there is none any more
)

// pattern takes in the member's regular expression.
func (c *change) pattern(d *draft, before *About) (patternChange, *Refusal) {
	if same(before.Regex, d.Regex) {
		return patternSame, nil
	}
	was, is := before.regex(), d.regex()
	if was != "" && c.g.regexes[was] == 1 {
		c.put(regexTombstone(c.g.ID, was))
	}
	_, matched := c.g.resolved[is]
	switch {
	case is == "" && was == "":
		return patternNew, nil
	case is == "":
		c.because("member %s subscribes to no regular expression any more", d.ID)
		return patternKnown, nil
	case c.g.regexes[is] == 0:
		if _, err := regexp.Compile(is); err != nil {
			return patternSame, refuse(kerr.InvalidRegularExpression,
				fmt.Sprintf("SubscribedTopicRegex `%s` is not a valid regular expression: %s.", is, description(err)))
		}
		return patternNew, nil
	case matched:
		c.because("member %s subscribes to another regular expression", d.ID)
		return patternKnown, nil
	default:
		return patternNew, nil
	}
}

// description is what is wrong with a regular expression, in the words that all
// of RE2's family use.
func description(err error) string {
	var e *syntax.Error
	if errors.As(err, &e) {
		return e.Code.String()
	}
	return err.Error()
}

// matchSoon sets the alarm that matches the group's expressions, as soon as it may.
// What a search that is under way cannot know, Found has another one look at.
func (gs *Groups) matchSoon(g *Group, now int64) {
	if g.searching != nil {
		return
	}
	at := now
	if last := g.lastMatched(); last > 0 && last <= now {
		at = max(at, last+matchPause+1)
	}
	if !g.matching.IsSet() || g.matching.At > at {
		gs.setMatching(g, at)
	}
}

func (gs *Groups) setMatching(g *Group, at int64) {
	gs.alarms.Cancel(&g.matching) // an alarm that was put off keeps its place otherwise
	g.matching.Value = due{what: dueMatch, group: g}
	gs.alarms.Set(&g.matching, at)
}

// lastMatched is when the group's expressions were last matched, 0 for never.
func (g *Group) lastMatched() int64 {
	last := g.looked
	for _, r := range g.resolved {
		last = max(last, r.at)
	}
	return last
}

// unmatched tells whether there are expressions that were never matched.
func (g *Group) unmatched() bool { return len(g.regexes) != len(g.resolved) }

// matchedBefore tells whether an expression was matched against topics older than
// those of a version.
func (g *Group) matchedBefore(version int64) bool {
	for _, r := range g.resolved {
		if r.version < version {
			return true
		}
	}
	return false
}

// advanceMatched makes a new epoch if the matches are others than before. The hash
// is taken of what the matches are going to be.
func (c *change) advanceMatched(after map[string]*Set, bump bool) {
	g := c.g
	var names []string
	for s := range g.sets { // setOf sorts
		names = append(names, s.names...)
	}
	for _, s := range after {
		names = append(names, s.names...)
	}
	hash := c.gs.hashOf(c.gs.setOf(names), c.at.Image)
	if hash != g.hash && !bump {
		c.because("the metadata of a matched topic changed")
	}
	if bump || hash != g.hash {
		c.put(epochRecord(g.ID, g.epoch+1, hash))
		g.hashedIn = g.epoch + 1
		c.begin(g.epoch + 1)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
