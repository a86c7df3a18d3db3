package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadFileFollowsJavaProperties(t *testing.T) {
	p := filepath.Join(t.TempDir(), "server.properties")
	text := "# comment\nnode.id = 7 \nlog.dirs=/a,\\\n  /b\nkeep=${not.expanded}\numlaut=\xe4 \\u00e4\ntwice=1\ntwice=2\n"
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"node.id": "7", "log.dirs": "/a,/b", "keep": "${not.expanded}", "umlaut": "ä ä", "twice": "2"} {
		if got[k] != want {
			t.Errorf("%s = %q, want %q", k, got[k], want)
		}
	}
}

func TestReadFileNamesTheMistake(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "is a folder", filepath.Join(dir, "none"): "no such file"} {
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadFile(%s) = %v, want %q", path, err, want)
		}
	}
}

func TestOverride(t *testing.T) {
	props := map[string]string{"a": "1"}
	if err := Override(props, []string{"a=2", "b = x=y "}); err != nil || props["a"] != "2" || props["b"] != "x=y" {
		t.Fatalf("%v %v", props, err)
	}
	for _, bad := range []string{"novalue", "=x", ""} {
		if err := Override(props, []string{bad}); err == nil {
			t.Errorf("--override %q was accepted", bad)
		}
	}
}
