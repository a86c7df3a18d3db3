package configs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var quotedKey = regexp.MustCompile(`"[a-z0-9]+(?:\.[a-z0-9]+)*"`)

// keysNamedInCode are all texts in the rooms' code that look like keys.
func keysNamedInCode(t *testing.T) map[string]bool {
	named := map[string]bool{}
	read := func(path string) {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range quotedKey.FindAllString(string(src), -1) {
			named[strings.Trim(q, `"`)] = true
		}
	}
	for _, room := range []string{"cmd", "broker", "controller", "storage", "groupcoord"} {
		err := filepath.WalkDir(filepath.Join("..", "..", room), func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				read(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"listeners.go", "values.go"} {
		read(file)
	}
	return named
}

// A key that acts must be asked for somewhere: by its name, or by the name of
// the topic key or of the head of the family that takes its value. A key that
// claims to act and does not is worse than one that warns.
func TestKeysThatActAreAskedFor(t *testing.T) {
	named := keysNamedInCode(t)
	for _, d := range All(Topic) {
		if d.Acts && !named[d.Name] {
			t.Errorf("topic key %s is marked as acting and nothing asks for it: clear its flag, or make it act", d.Name)
		}
		for _, s := range d.Synonyms {
			named[s.Name] = named[s.Name] || d.Acts
		}
	}
	for _, d := range All(Broker) {
		head := len(d.Synonyms) > 0 && named[d.Synonyms[0].Name]
		if d.Acts && !named[d.Name] && !head {
			t.Errorf("broker key %s is marked as acting and nothing asks for it: clear its flag, or make it act", d.Name)
		}
	}
}
