package format

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/vfs"
)

const cluster = "5L6g3nShT-eMCtK--X86sw"

func options(t *testing.T, dirs ...string) Options {
	t.Helper()
	levels, err := NewLevels(nil, "", true)
	if err != nil {
		t.Fatal(err)
	}
	voters, err := Standalone(1, raft.Endpoint{Name: "CONTROLLER", Host: "localhost", Port: 9093}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Options{FS: vfs.OS, NodeID: 1, ClusterID: cluster, Dirs: dirs, MetadataDir: dirs[0], Levels: levels, Voters: voters, Rand: rand.Reader, Now: time.UnixMilli(1795329387014)}
}

func TestFormatLeavesWhatApacheKafkaLeaves(t *testing.T) {
	root := t.TempDir()
	meta, data := filepath.Join(root, "m"), filepath.Join(root, "d")
	o := options(t, meta, data)
	var out bytes.Buffer
	if err := Run(o, &out); err != nil {
		t.Fatal(err)
	}
	want := "Formatting dynamic metadata voter directory " + meta + " with metadata.version 4.3-IV0.\nFormatting data directory " + data + " with metadata.version 4.3-IV0.\n"
	if out.String() != want {
		t.Errorf("told\n%swant\n%s", out.String(), want)
	}
	m, err := logdir.ReadMeta(vfs.OS, meta)
	if err != nil || m.ClusterID != cluster || m.NodeID != 1 || m.DirectoryID != o.Voters[0].Key.Directory {
		t.Errorf("meta.properties %+v, %v", m, err)
	}
	r, err := raftio.OpenSnapshot(vfs.OS, filepath.Join(meta, MetadataFolder, "00000000000000000000-0000000000.checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if v, ok := r.Voters().Get(1); r.KRaftVersion() != 1 || !ok || v.Key.Directory != m.DirectoryID || v.Endpoints[0].Port != 9093 {
		t.Errorf("kraft.version %d, voters %v", r.KRaftVersion(), r.Voters())
	}
	if got, want := bootstrap(t, data), "metadata.version=30 eligible.leader.replicas.version=1 group.version=1 share.version=1 streams.version=1 transaction.version=2"; got != want {
		t.Errorf("bootstrap records %s, want %s", got, want)
	}
}

// bootstrap reads dir's bootstrap.checkpoint back.
func bootstrap(t *testing.T, dir string) string {
	t.Helper()
	r, err := raftio.OpenSnapshot(vfs.OS, filepath.Join(dir, BootstrapFile))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	for b, err := range r.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range b.Records {
			rec, _, err := records.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			f := rec.(*records.FeatureLevelRecord)
			got = append(got, f.Name+"="+string(rune('0'+f.FeatureLevel/10))+string(rune('0'+f.FeatureLevel%10)))
		}
	}
	return strings.ReplaceAll(strings.Join(got, " "), "=0", "=")
}

func TestFormatAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	o := options(t, dir)
	if err := Run(o, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if err := Run(o, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "is already formatted. Use --ignore-formatted") {
		t.Errorf("formatting twice: %v", err)
	}
	o.IgnoreFormatted = true
	var out bytes.Buffer
	if err := Run(o, &out); err != nil || out.String() != "All of the log directories are already formatted.\n" {
		t.Errorf("with --ignore-formatted: %v %q", err, out.String())
	}
	for name, change := range map[string]func(*Options){
		"belongs to cluster": func(o *Options) { o.ClusterID = "other" },
		"belongs to node 1":  func(o *Options) { o.NodeID = 2 },
	} {
		bad := o
		change(&bad)
		if err := Run(bad, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want an error with %q, got %v", name, err)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		features []string
		release  string
		dynamic  bool
		want     string // an error with this text, or "" for success
	}{
		{nil, "", false, ""},
		{nil, "3.7-IV4", false, ""},
		{[]string{"group.version=0", "kraft.version=1"}, "4.0", true, ""},
		{[]string{"metadata.version=30"}, "4.3", true, "ambiguous"},
		{[]string{"metadata.version=31"}, "", true, "unknown metadata.version 31"},
		{[]string{"kraft.version=1"}, "", false, "kraft.version can't be 1"},
		{[]string{"kraft.version=0"}, "", true, "kraft.version can't be 0"},
		{[]string{"no.such=1"}, "", true, "unsupported feature no.such"},
		{[]string{"transaction.version=3"}, "", true, "no level 3"},
		{[]string{"eligible.leader.replicas.version=1"}, "3.9", true, "depends on metadata.version"},
		{nil, "9.9", true, "9.9"},
	} {
		given, err := ParseFeatures(c.features)
		if err == nil {
			_, err = NewLevels(given, c.release, c.dynamic)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v %q dynamic=%v: got %v, want %q", c.features, c.release, c.dynamic, err, c.want)
		}
	}
	for _, bad := range []string{"x", "x=y", "=1", "x=99999"} {
		if _, err := ParseFeatures([]string{bad}); err == nil {
			t.Errorf("--feature %s was accepted", bad)
		}
	}
}

func TestParseVoters(t *testing.T) {
	v, err := ParseVoters("1@a:9093:Fp0B2BWFRpKboyRdFYn8fw, 2@[::1]:9094:5L6g3nShT-eMCtK--X86sw", "C")
	if err != nil || len(v) != 2 || v[1].Endpoints[0] != (raft.Endpoint{Name: "C", Host: "::1", Port: 9094}) || v[0].Key.Directory.String() != "Fp0B2BWFRpKboyRdFYn8fw" {
		t.Fatalf("%+v %v", v, err)
	}
	for _, bad := range []string{"", "1", "1@a:9093", "x@a:1:Fp0B2BWFRpKboyRdFYn8fw", "-1@a:1:Fp0B2BWFRpKboyRdFYn8fw", "1@a:99999:Fp0B2BWFRpKboyRdFYn8fw", "1@a:1:zz",
		"1@a:1:Fp0B2BWFRpKboyRdFYn8fw,1@b:1:5L6g3nShT-eMCtK--X86sw"} {
		if _, err := ParseVoters(bad, "C"); err == nil {
			t.Errorf("--initial-controllers %q was accepted", bad)
		}
	}
}

// The example of RFC 7677, section 3.
func TestScramFollowsRFC7677(t *testing.T) {
	r, err := ParseScram(`SCRAM-SHA-256=[name=user,password=pencil,salt="W22ZaJ0SNY7soEsUEjb6gQ=="]`, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := r.(*records.UserScramCredentialRecord)
	if got := base64.StdEncoding.EncodeToString(c.StoredKey); got != "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=" {
		t.Errorf("stored key %s", got)
	}
	if got := base64.StdEncoding.EncodeToString(c.ServerKey); got != "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=" {
		t.Errorf("server key %s", got)
	}
}

func TestScramNeverRepeatsTheSecret(t *testing.T) {
	for _, bad := range []string{
		"SCRAM-SHA-1=[name=a,password=hunter2]", "SCRAM-SHA-256=name=a,password=hunter2", "SCRAM-SHA-256=[password=hunter2]",
		"SCRAM-SHA-256=[name=a,saltedpassword=hunter2]", "SCRAM-SHA-256=[name=a,password=hunter2,iterations=1]", "SCRAM-SHA-512=[name=a,salt=hunter2!,password=x]",
		"SCRAM-SHA-512=[name=a]", "SCRAM-SHA-512=[hunter2]",
	} {
		_, err := ParseScram(bad, rand.Reader)
		if err == nil {
			t.Errorf("%s was accepted", bad)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

func TestFormatStopsAtAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(options(t, path), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("formatting a file: %v", err)
	}
}
