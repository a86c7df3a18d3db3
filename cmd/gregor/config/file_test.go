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

func TestEndpoints(t *testing.T) {
	protocols, err := protocolMap([]string{"PLAINTEXT:PLAINTEXT", "out:SSL"}, false, []string{"CONTROLLER"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseEndpoints("listeners", []string{"PLAINTEXT://:9092", "Out://[::1]:0", "CONTROLLER://h:9093"}, protocols)
	if err != nil {
		t.Fatal(err)
	}
	want := []Endpoint{{"PLAINTEXT", "PLAINTEXT", "", 9092}, {"OUT", "SSL", "::1", 0}, {"CONTROLLER", "PLAINTEXT", "h", 9093}}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("endpoint %d = %v, want %v", i, got[i], want[i])
		}
	}
	for _, bad := range []string{"PLAINTEXT:9092", "PLAINTEXT://h", "PLAINTEXT://h:70000", "NEW://h:1", "://h:1"} {
		if _, err := parseEndpoints("listeners", []string{bad}, protocols); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := parseEndpoints("listeners", []string{"PLAINTEXT://a:1", "plaintext://a:2"}, protocols); err == nil {
		t.Error("a listener name was accepted twice")
	}
}
