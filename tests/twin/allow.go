package twin

import (
	"fmt"
	"regexp"
)

// Allowed is a difference that stays. Title and Path are regular expressions
// over the heading and the path of a line; both must match somewhere.
type Allowed struct{ Title, Path, Reason string }

// allowed is every difference between gregor and Apache Kafka that is meant, or
// that is known and stays for now. The reasons are printed in
// docs/COMPATIBILITY.md. Keys that gregor does not serve are not compared and
// need no entry here.
var allowed = []Allowed{
	{`^ApiVersions `, `ApiKeys\[`, "gregor advertises a key when it serves it; the keys that are not served yet are in the table above"},
	{`^Produce .*: null records$`, ``, "Kafka fails inside and never answers; gregor answers INVALID_RECORD"},
	{`^AlterConfigs .*: same resource twice$`, ``, "Kafka fails inside and never answers; gregor answers INVALID_REQUEST"},
	{`^IncrementalAlterConfigs .*: operation that is none$`, `^1 `, "Kafka fails inside and answers UNKNOWN_SERVER_ERROR; gregor answers INVALID_REQUEST and says why"},
	{`^FetchSnapshot .*: snapshot (in a future epoch|in an old epoch|of another topic)$`, ``, "Kafka fails inside while it writes a refusal, which has no records, and answers UNKNOWN_SERVER_ERROR; gregor answers the partition's error and who leads, which Kafka's followers understand"},
	{`^OffsetFetch .*: in an epoch, but by nobody$`, `ErrorCode$`, "Kafka fails inside and answers UNKNOWN_SERVER_ERROR; gregor answers UNKNOWN_MEMBER_ID"},
	{`^UpdateRaftVoter .*: voter of another cluster$`, `CurrentLeader`, "gregor does not tell a node of another cluster who leads this one"},
	{`^(Fetch|ListOffsets) .*: isolation that is none$`, ``, "Kafka fails inside and answers UNKNOWN_SERVER_ERROR; gregor takes an isolation that it does not know for read_uncommitted"},
	{`^OffsetForLeaderEpoch .*: epoch below none$`, `(EndOffset|LeaderEpoch)$`, "Kafka takes a negative epoch other than -1 for a very old one; gregor knows no such epoch"},
	{`^Produce .*: same partition twice$`, ``, "Kafka keeps the last batch and drops the others without a word; gregor appends them all and answers each"},
	{`^Fetch .*: partition limit of one batch$`, `RecordBatches`, "Kafka cuts the last batch where the limit falls and clients throw the piece away; gregor sends whole batches only"},
}

type matcher struct {
	title, path *regexp.Regexp
	Allowed
}

func matchers() []matcher {
	ms := make([]matcher, 0, len(allowed))
	for _, a := range allowed {
		ms = append(ms, matcher{regexp.MustCompile(a.Title), regexp.MustCompile(a.Path), a})
	}
	return ms
}

// Judge splits differences into those that nobody has explained and, by
// reason, those that are allowed.
func Judge(diffs []Diff) (unexplained []Diff, explained map[string][]Diff) {
	ms := matchers()
	explained = map[string][]Diff{}
next:
	for _, d := range diffs {
		for _, m := range ms {
			if m.title.MatchString(d.Title) && m.path.MatchString(d.Path) {
				explained[m.Reason] = append(explained[m.Reason], d)
				continue next
			}
		}
		unexplained = append(unexplained, d)
	}
	return unexplained, explained
}

// Unused returns the entries that matched nothing, which must go: a list that
// only grows hides what it was made to show. Entries about ApiVersions stay as
// long as a key is missing.
func Unused(diffs []Diff) (out []string) {
	for _, m := range matchers() {
		used := false
		for _, d := range diffs {
			used = used || m.title.MatchString(d.Title) && m.path.MatchString(d.Path)
		}
		if !used {
			out = append(out, fmt.Sprintf("%s / %s: %s", m.Allowed.Title, m.Allowed.Path, m.Reason))
		}
	}
	return out
}
