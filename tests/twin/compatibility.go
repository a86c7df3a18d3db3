package twin

import (
	"fmt"
	"sort"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Compatibility is the text of docs/COMPATIBILITY.md: which keys and versions
// both serve, how many questions were asked about each, and which differences
// stay, with their reasons.
func Compatibility(kafka, gregor map[int16]Range, asked Answers, diffs []Diff) string {
	var b strings.Builder
	b.WriteString("# Compatibility\n\nWritten by `make interop` (tests/twin): the same requests, good and bad, go to Apache Kafka 4.3.1 and to gregor,\n" +
		"and error codes and fields are compared. Do not edit; change tests/twin/allow.go and run it again.\n\n" +
		"## Keys and versions\n\n| key | name | Apache Kafka 4.3.1 | gregor | questions compared |\n|---:|---|---|---|---:|\n")
	questions := map[string]int{}
	for t := range asked {
		name, _, _ := strings.Cut(t, " ")
		questions[name]++
	}
	for _, k := range keysOf(kafka) {
		g := "not yet"
		n := ""
		if r, ok := gregor[k]; ok {
			g = versions(r)
			n = fmt.Sprint(questions[kmsg.NameForKey(k)])
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", k, kmsg.NameForKey(k), versions(kafka[k]), g, n)
	}
	b.WriteString("\n## Differences that stay\n\n")
	unexplained, explained := Judge(diffs)
	if len(explained) == 0 {
		b.WriteString("None.\n")
	}
	reasons := make([]string, 0, len(explained))
	for r := range explained {
		reasons = append(reasons, r)
	}
	sort.Strings(reasons)
	for _, r := range reasons {
		ds := explained[r]
		fmt.Fprintf(&b, "- %s. %d lines, such as `%s: %s`: Kafka `%s`, gregor `%s`.\n", r, len(ds), ds[0].Title, ds[0].Path, ds[0].Want, ds[0].Got)
	}
	b.WriteString("\n## Differences that one question does not show\n\n")
	for _, text := range beyond {
		fmt.Fprintf(&b, "- %s\n", text)
	}
	if len(unexplained) > 0 {
		fmt.Fprintf(&b, "\n## Differences without a reason\n\n%d lines; `make interop` fails on them.\n\n", len(unexplained))
		for i, d := range unexplained {
			if i == 100 {
				fmt.Fprintf(&b, "- … and %d more\n", len(unexplained)-i)
				break
			}
			fmt.Fprintf(&b, "- `%s`\n", d)
		}
	}
	return b.String()
}

func keysOf(m map[int16]Range) []int16 {
	ks := make([]int16, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	sort.Slice(ks, func(i, j int) bool { return ks[i] < ks[j] })
	return ks
}

func versions(r Range) string {
	if r.Min == r.Max {
		return fmt.Sprint(r.Min)
	}
	return fmt.Sprintf("%d–%d", r.Min, r.Max)
}
