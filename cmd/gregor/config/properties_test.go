package config

import (
	"bufio"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// recorded calls f with the lines of testdata/java-properties.txt: a file's bytes,
// and what Java makes of them, nil for an error.
func recorded(t testing.TB, f func(raw string, want map[string]string)) {
	t.Helper()
	file, err := os.Open("testdata/java-properties.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		rest := s.Text()
		if strings.HasPrefix(rest, "#") {
			continue
		}
		quoted := func() string {
			q, err := strconv.QuotedPrefix(strings.TrimLeft(rest, " ="))
			if err != nil {
				t.Fatalf("%v: %s", err, rest)
			}
			rest = strings.TrimLeft(rest, " =")[len(q):]
			text, _ := strconv.Unquote(q)
			return text
		}
		raw, want := quoted(), map[string]string{}
		if rest == " error" {
			want, rest = nil, ""
		}
		for rest != "" {
			k := quoted()
			want[k] = quoted()
		}
		f(raw, want)
	}
}

func TestPropertiesAreJavas(t *testing.T) {
	n := 0
	recorded(t, func(raw string, want map[string]string) {
		n++
		got, err := parseProperties([]byte(raw))
		for k, v := range got {
			got[k] = trim(v)
		}
		if (err != nil) != (want == nil) || !maps.Equal(got, want) {
			t.Errorf("%q:\ngot  %q %v\nwant %q", raw, got, err, want)
		}
	})
	if n < 150 {
		t.Errorf("%d lines are recorded", n)
	}
}

// Whoever writes a path as Windows has it hears where and what to do.
func TestPropertiesNameTheLine(t *testing.T) {
	_, err := parseProperties([]byte("a=1\r\n# b\nb=1,\\\n 2\nlog.dirs=C:\\users\n"))
	if err == nil || err.Error() != `line 5: \users: behind \u there are four hexadecimal digits; write \\ for a backslash` {
		t.Error(err)
	}
}

func FuzzProperties(f *testing.F) {
	recorded(f, func(raw string, _ map[string]string) { f.Add([]byte(raw)) })
	f.Fuzz(func(t *testing.T, raw []byte) {
		props, err := parseProperties(raw)
		if err != nil {
			return
		}
		size := 0
		for _, k := range slices.Sorted(maps.Keys(props)) {
			size += len(k) + len(props[k])
		}
		if size > 3*len(raw) { // a byte that is no ASCII takes two, an escape's six at most four
			t.Errorf("%d bytes of %d", size, len(raw))
		}
	})
}
