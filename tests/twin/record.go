package twin

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Served asks a broker which versions of which keys it serves, on both of its
// listeners.
func Served(t Target) (map[int16]Range, error) {
	served := map[int16]Range{}
	for _, addr := range []string{t.Addr, t.Controller} {
		c, err := dial(addr)
		if err != nil {
			return nil, err
		}
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, "twin", "1"
		resp, _, err := c.roundTrip(req)
		c.close()
		if err != nil {
			return nil, err
		}
		for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
			if _, ok := served[k.ApiKey]; !ok {
				served[k.ApiKey] = Range{k.MinVersion, k.MaxVersion}
			}
		}
	}
	return served, nil
}

// Write stores answers as one file a key, NN_Name.txt: a heading "== title" and its lines.
func (a Answers) Write(dir string) error {
	files := map[string]*bytes.Buffer{}
	keys := map[string]int16{}
	for _, s := range Scripts() {
		files[fileOf(s.Key)] = &bytes.Buffer{}
		keys[kmsg.NameForKey(s.Key)] = s.Key
	}
	for _, t := range a.Titles() {
		name, _, _ := strings.Cut(t, " ")
		f := files[fileOf(keys[name])]
		fmt.Fprintf(f, "== %s\n", t)
		for _, l := range a[t] {
			fmt.Fprintln(f, l)
		}
		fmt.Fprintln(f)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func fileOf(key int16) string { return fmt.Sprintf("%02d_%s.txt", key, kmsg.NameForKey(key)) }

// Read loads what Write stored.
func Read(dir string) (Answers, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no recorded answers in %s", dir)
	}
	ans := Answers{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		title := ""
		for sc := lines(b); sc.Scan(); {
			l := sc.Text()
			if t, ok := strings.CutPrefix(l, "== "); ok {
				title = t
				ans[title] = []string{}
			} else if l != "" {
				ans[title] = append(ans[title], l)
			}
		}
	}
	return ans, nil
}

func lines(b []byte) *bufio.Scanner {
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 16<<20)
	return sc
}

// largestFrame keeps the golden bytes small: a broker's whole configuration is no better a test than a topic's.
const largestFrame = 6 << 10

// WriteFrames stores golden bytes: for each key and version the shortest and
// the longest exchange that is not too large, as lines
// "key version request response" in hexadecimal.
func WriteFrames(path string, frames []Frame) error {
	type kv struct{ k, v int16 }
	best := map[kv][2]Frame{}
	for _, f := range frames {
		n := len(f.Request) + len(f.Response)
		if n > largestFrame {
			continue
		}
		id := kv{f.Key, f.Version}
		b, ok := best[id]
		if !ok || n < len(b[0].Request)+len(b[0].Response) {
			b[0] = f
		}
		if !ok || n > len(b[1].Request)+len(b[1].Response) {
			b[1] = f
		}
		best[id] = b
	}
	seen := map[string]bool{}
	var out []string
	for id, b := range best {
		for _, f := range b {
			l := fmt.Sprintf("%02d %02d %s %s", id.k, id.v, hex.EncodeToString(f.Request), hex.EncodeToString(f.Response))
			if !seen[l] {
				seen[l] = true
				out = append(out, l)
			}
		}
	}
	sort.Strings(out)
	return os.WriteFile(path, []byte("# Exchanges with Apache Kafka 4.3.1, without size prefixes: key, version, request, response. Recorded by tests/interop -record.\n"+strings.Join(out, "\n")+"\n"), 0o644)
}
