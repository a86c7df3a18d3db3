package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	order "encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gregorbroker/gregor/tests/node"
)

// A salted credential, so that the bytes of its record are the same each time.
const credential = `=[name=alice,iterations=8192,salt="MWx2NHBkbnc0ZndxN25vdGN4bTB5Y3o=",saltedpassword="mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE="]`

const (
	voter1 = "1@localhost:9093:Fp0B2BWFRpKboyRdFYn8fw"
	voter2 = "2@localhost:9095:5L6g3nShT-eMCtK--X86sw"
)

// formats are the kinds of nodes and the arguments that format is given; wrong
// ones are refused by both.
var formats = []struct{ kind, args string }{
	{"both", "--standalone"},
	{"both", ""},
	{"both", "--standalone --no-initial-controllers"},
	{"controller", "--no-initial-controllers"},
	{"controller", "--initial-controllers " + voter1 + "," + voter2},
	{"controller", "--initial-controllers " + voter2},
	{"controller", "--initial-controllers garbage"},
	{"controller", "--initial-controllers " + voter1 + "," + voter1},
	{"broker", ""},
	{"broker", "--standalone"},
	{"broker", "--no-initial-controllers"},
	{"broker", "--initial-controllers " + voter1},
	{"static", ""},
	{"static", "--standalone"},
	{"static", "--no-initial-controllers"},
	{"static", "--feature kraft.version=1"},
	{"static", "--feature kraft.version=0 --feature group.version=0"},
	{"both", "--standalone --feature kraft.version=0"},
	{"both", "--standalone --feature kraft.version=1"},
	{"both", "--standalone --release-version 3.3"},
	{"both", "--standalone --release-version 3.9"},
	{"both", "--standalone --release-version 9.9"},
	{"both", "--standalone --release-version 4.2 --feature metadata.version=29"},
	{"both", "--standalone --release-version 3.9 --feature eligible.leader.replicas.version=1"},
	{"both", "--standalone --feature metadata.version=25"},
	{"both", "--standalone --feature metadata.version=99"},
	{"both", "--standalone --feature transaction.version=0 --feature share.version=1"},
	{"both", "--standalone --feature transaction.version=3"},
	{"both", "--standalone --feature no.such=1"},
	{"both", "--standalone --feature group.version"},
	{"both", "--standalone --add-scram SCRAM-SHA-256" + credential},
	{"both", "--standalone --release-version 3.5 --add-scram SCRAM-SHA-256" + credential},
	{"both", "--standalone --release-version 3.4 --add-scram SCRAM-SHA-256" + credential},
	{"both", "--standalone --add-scram SCRAM-SHA-1=[name=alice,password=x]"},
	{"both", "--standalone --add-scram SCRAM-SHA-256=[name=alice]"},
	{"both", "--standalone --add-scram SCRAM-SHA-256=[name=alice,password=x,iterations=100]"},
	{"both", "--standalone --add-scram garbage"},
}

// formatted formats folders with kafka-storage.sh and with gregor and compares
// what they leave byte for byte, but for times and drawn ids, and what they say.
func formatted(t *c) {
	root, err := os.MkdirTemp("", "gregor-test-format-")
	t.check(err)
	defer os.RemoveAll(root)
	tool := t.storageTool()
	defer tool.end()
	for i, f := range formats {
		a, b := t.pair(filepath.Join(root, fmt.Sprint(i)), f.kind)
		t.same(tool, a, b, strings.Fields(f.args)...)
	}
	// Again, over a folder that is formatted in part, and for another cluster.
	a, b := t.pair(filepath.Join(root, "again"), "both")
	t.same(tool, a, b, "--standalone")
	t.same(tool, a, b, "--standalone")
	t.same(tool, a, b, "--standalone", "--ignore-formatted")
	for _, s := range []*storage{a, b} {
		t.check(os.RemoveAll(filepath.Join(s.dir, "d2")))
	}
	t.same(tool, a, b, "--standalone", "--ignore-formatted")
	a.cluster, b.cluster = "AAAAAAAAAAAAAAAAAAAAAQ", "AAAAAAAAAAAAAAAAAAAAAQ"
	t.same(tool, a, b, "--standalone", "--ignore-formatted")
}

// storageTool is kafka-storage, running (see java/Formats.java).
type storageTool struct {
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

func (t *c) storageTool() *storageTool {
	classes := filepath.Join(t.cache, "interop-java")
	t.check(t.home.Javac(filepath.Join(t.root, "tests", "interop", "java", "Formats.java"), classes))
	cmd := exec.Command("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j2.configurationFile="+filepath.Join(string(t.home), "config", "tools-log4j2.xml"), "-cp", classes+":"+t.home.Classpath(), "Formats")
	in, err := cmd.StdinPipe()
	t.check(err)
	out, err := cmd.StdoutPipe()
	t.check(err)
	t.check(cmd.Start())
	return &storageTool{in, bufio.NewReader(out), cmd}
}

func (s *storageTool) end() {
	s.in.Close()
	_ = s.cmd.Wait() // nothing hangs on how it ends
}

// run is one run of kafka-storage.
func (s *storageTool) run(args ...string) (said string, failed bool, err error) {
	if _, err := fmt.Fprintln(s.in, strings.Join(args, "\t")); err != nil {
		return "", false, err
	}
	line, err := s.out.ReadString('\n')
	code, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
	if err != nil {
		return "", false, err
	}
	b, err := base64.StdEncoding.DecodeString(text)
	return string(b), code != "0", err
}

// storage is a node that one kind of software formats.
type storage struct{ dir, cluster string }

func (t *c) pair(dir, kind string) (theirs, ours *storage) {
	make := func(name string) *storage {
		s := &storage{dir: filepath.Join(dir, name), cluster: node.ClusterID}
		t.check(os.MkdirAll(s.dir, 0o755))
		t.check(os.WriteFile(s.config(), []byte(s.properties(kind)), 0o600))
		return s
	}
	return make("theirs"), make("ours")
}

func (s *storage) config() string { return filepath.Join(s.dir, "p") }

func (s *storage) properties(kind string) string {
	p := []string{"node.id=1", "log.dirs=" + s.dir + "/d1," + s.dir + "/d2", "controller.listener.names=CONTROLLER"}
	roles := map[string]string{"both": "broker,controller", "static": "controller"}[kind]
	if roles == "" {
		roles = kind
	}
	var listeners []string
	if strings.Contains(roles, "broker") {
		listeners = append(listeners, "PLAINTEXT://localhost:9092")
	}
	if strings.Contains(roles, "controller") {
		listeners = append(listeners, "CONTROLLER://localhost:9093")
	}
	p = append(p, "process.roles="+roles, "listeners="+strings.Join(listeners, ","))
	if kind == "static" {
		return strings.Join(append(p, "controller.quorum.voters=1@localhost:9093,2@localhost:9095"), "\n")
	}
	return strings.Join(append(p, "controller.quorum.bootstrap.servers=localhost:9093"), "\n")
}

// same formats both and compares.
func (t *c) same(tool *storageTool, theirs, ours *storage, args ...string) {
	t.log = append(t.log, "format "+strings.Join(args, " "))
	said, refused, err := tool.run(append([]string{"format", "-c", theirs.config(), "-t", theirs.cluster}, args...)...)
	t.check(err)
	b, err := t.ours.Format(ours.config(), ours.cluster, args...).CombinedOutput()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.fatalf("%v", err)
	}
	our := strings.ReplaceAll(string(b), ours.dir, "DIR")
	if refused != (err != nil) {
		t.fatalf("theirs: refused is %v\n%s\nours: %v\n%s", refused, clip(said), err, our)
	}
	if err != nil && t.ours.Name == "gregor" && (!strings.HasPrefix(our, "gregor: ") || strings.Contains(our, "goroutine")) {
		t.fatalf("a refusal names the cause:\n%s", our)
	}
	// Theirs begins with its records as Java shows them.
	said = regexp.MustCompile(`(?m)^Bootstrap metadata: .*\n`).ReplaceAllString(strings.ReplaceAll(said, theirs.dir, "DIR"), "")
	if err == nil && lines(our) != lines(said) {
		t.fatalf("theirs says\n%s\nours\n%s", said, our)
	}
	left, leave := t.leaves(theirs), t.leaves(ours)
	for name := range left {
		if left[name] != leave[name] {
			t.fatalf("%s: theirs and ours:\n%s\n%s", name, left[name], leave[name])
		}
	}
	if len(left) != len(leave) {
		t.fatalf("theirs leaves %d files and ours %d", len(left), len(leave))
	}
}

// lines sorts a text: theirs take folders and keys in the order of hashes.
func lines(s string) string {
	l := strings.Split(s, "\n")
	slices.Sort(l)
	return strings.Join(l, "\n")
}

// leaves reads every file below a node's folders, as text without what is drawn
// or taken from the clock.
func (t *c) leaves(s *storage) map[string]string {
	out := map[string]string{}
	t.check(filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "p" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, s.dir)
		if strings.HasSuffix(name, ".checkpoint") {
			out[name] = fmt.Sprintf("%x", t.timeless(b, s))
		} else {
			out[name] = lines(t.undrawn(string(b)))
		}
		return nil
	}))
	return out
}

var directoryLine = regexp.MustCompile(`(?m)^directory\.id=(.*)$`)

// undrawn is meta.properties without its comments, one of which is the time, and its id.
func (t *c) undrawn(text string) string {
	text = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, "")
	return directoryLine.ReplaceAllString(text, "directory.id=DRAWN")
}

// timeless blanks in a snapshot's batches what the clock and the dice decide:
// checksum, base and last time, the time that the header tells, and this node's
// own directory id.
func (t *c) timeless(b []byte, s *storage) []byte {
	b = bytes.Clone(b)
	if meta, err := os.ReadFile(filepath.Join(s.dir, "d1", "meta.properties")); err == nil {
		if m := directoryLine.FindSubmatch(meta); m != nil {
			id, err := base64.RawURLEncoding.DecodeString(string(bytes.TrimSpace(m[1])))
			t.check(err)
			b = bytes.ReplaceAll(b, id, make([]byte, len(id)))
		}
	}
	const crc, times, first = 17, 27, 61 // offsets within a batch
	for at := 0; at+first <= len(b); {
		size := 12 + int(order.BigEndian.Uint32(b[at+8:]))
		if at+size > len(b) {
			t.fatalf("a batch of %d bytes at %d of %d", size, at, len(b))
		}
		clear(b[at+crc : at+crc+4])
		clear(b[at+times : at+times+16])
		if at == 0 {
			// The header's record: 5 bytes of a record's head, a key of 4, the
			// value's size and its version before the time.
			clear(b[first+12 : first+20])
		}
		at += size
	}
	return b
}
