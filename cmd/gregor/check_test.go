package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/storage/check"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// kafkas unpacks a folder of Apache Kafka, see storage/check.
func kafkas(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", "../../storage/check/checktest/kafka-folder.tar.gz", "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// everything is the names and contents below a folder.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			b.WriteString(p + "\n")
			return err
		}
		c, err := os.ReadFile(p)
		b.WriteString(p + "\n" + string(c))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCheckCommand: what is printed and which code it ends with, and that it writes nothing.
func TestCheckCommand(t *testing.T) {
	dir := kafkas(t)
	before := everything(t, dir)
	var out bytes.Buffer
	if err := runCheck([]string{dir}, false, &out, os.Stderr); err != nil || !strings.HasPrefix(out.String(), "nothing is wrong; 31 partitions, ") {
		t.Fatalf("%v: %s", err, &out)
	}
	if code := run([]string{"check", dir}); code != 0 {
		t.Error(code)
	}
	if everything(t, dir) != before {
		t.Error("something was written")
	}

	log := filepath.Join(dir, "log-none-0", "00000000000000000000.log")
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	b[100] ^= 1
	if err := os.WriteFile(log, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := runCheck([]string{dir}, true, &out, os.Stderr); !errors.Is(err, errDamaged) {
		t.Fatal(err)
	}
	var finding struct {
		File     string
		Position int64
		Problem  string
	}
	var total map[string]int
	first, last, _ := strings.Cut(out.String(), "\n")
	if err := errors.Join(json.Unmarshal([]byte(first), &finding), json.Unmarshal([]byte(last), &total)); err != nil || finding.File != log || total["damaged"] != 1 {
		t.Fatalf("%v: %s", err, &out)
	}
	if code := run([]string{"check", dir}); code != 1 {
		t.Error(code)
	}
	for _, args := range [][]string{{"check"}, {"check", dir, "-o", "xml"}, {"check", filepath.Join(dir, "nothing")}, {"dump"}, {"dump", "--decoder", "x", dir}} {
		if code := run(args); code != 2 {
			t.Errorf("%v: code %d", args, code)
		}
	}
}

// TestCheckInUse: a folder that a server uses is refused in one line.
func TestCheckInUse(t *testing.T) {
	dir := kafkas(t)
	lock, err := vfs.OS.Lock(filepath.Join(dir, ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	var out bytes.Buffer
	err = runCheck([]string{dir}, false, &out, os.Stderr)
	if !errors.Is(err, check.ErrInUse) || strings.Contains(err.Error(), "\n") || out.Len() > 0 {
		t.Fatalf("%v: %s", err, &out)
	}
	if code := run([]string{"check", dir}); code != 2 {
		t.Error(code)
	}
}

// TestDumpFlags: those of kafka-dump-log mean what they mean there.
func TestDumpFlags(t *testing.T) {
	dir := kafkas(t)
	cmd := newRootCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	log := filepath.Join(dir, "__cluster_metadata-0", "00000000000000000000.log")
	cmd.SetArgs([]string{"dump", "--cluster-metadata-decoder", "--deep-iteration", "--files", log + "," + filepath.Join(dir, "meta.properties")})
	if err := cmd.Execute(); err != nil || !strings.Contains(out.String(), "type=TopicRecord") || !strings.Contains(out.String(), "cluster.id=") {
		t.Fatalf("%v: %.500s", err, &out)
	}
	if code := run([]string{"dump", filepath.Join(dir, "nothing")}); code != 1 {
		t.Error(code)
	}
}
