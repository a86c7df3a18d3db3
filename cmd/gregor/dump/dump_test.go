package dump

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/check/checktest"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// kafkas is a folder of Apache Kafka 4.3.1, see storage/check.
func kafkas(t testing.TB) *vfs.Mem {
	t.Helper()
	d := vfs.NewMem()
	files, err := checktest.Kafkas()
	must(t, err)
	for name, b := range files {
		write(t, d, "/d/"+name, b)
	}
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, fs vfs.FS, name string, b []byte) {
	t.Helper()
	must(t, fs.MkdirAll(path.Dir(name)))
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	must(t, err)
	_, err = f.WriteAt(b, 0)
	must(t, errors.Join(err, f.Close()))
}

func run(t testing.TB, fs vfs.FS, o Options, paths ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	damaged, err := Run(fs, paths, o, &out)
	must(t, err)
	return out.String(), damaged
}

func wants(t *testing.T, out string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(out, l) {
			t.Errorf("no %q in\n%.4000s", l, out)
		}
	}
}

// TestKafkasFolder reads every file of a folder that Apache Kafka wrote, in both forms.
func TestKafkasFolder(t *testing.T) {
	fs := kafkas(t)
	out, damaged := run(t, fs, Options{JSON: true, Records: true}, "/d")
	kinds := map[string]int{}
	types := map[string]int{}
	for line := range strings.Lines(out) {
		var l struct{ File, Kind, Type, Undecoded string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Undecoded != "" || !strings.HasPrefix(l.File, "/d/") {
			t.Fatalf("%v: %s", err, line)
		}
		kinds[l.Kind]++
		types[l.Type]++
	}
	for _, k := range []string{"aborted", "batch", "checkpoint", "control", "entry", "partition", "producer", "properties", "record", "snapshot", "state"} {
		if kinds[k] == 0 {
			t.Errorf("no line of the kind %s: %v", k, kinds)
		}
	}
	for _, k := range []string{"TopicRecord", "PartitionRecord", "ConfigRecord", "RegisterBrokerRecord", "FeatureLevelRecord", "OffsetCommit", "GroupMetadata", "ShareGroupMetadata", "TransactionLog", "ShareSnapshot", "ShareUpdate",
		"COMMIT", "ABORT", "LEADER_CHANGE", "SNAPSHOT_HEADER", "SNAPSHOT_FOOTER", "KRAFT_VERSION", "KRAFT_VOTERS"} {
		if types[k] == 0 {
			t.Errorf("no record of the type %s: %v", k, types)
		}
	}
	if kinds["other"]+kinds["damage"]+damaged > 0 {
		t.Errorf("%v, %d damaged", kinds, damaged)
	}
	plain, _ := run(t, fs, Options{Records: true}, "/d")
	if a, b := strings.Count(plain, "\n  "), strings.Count(out, "\n"); a != b {
		t.Errorf("%d entries as text, %d as JSON", a, b)
	}
}

// TestLines looks at lines of each format.
func TestLines(t *testing.T) {
	fs := kafkas(t)
	out, _ := run(t, fs, Options{Records: true}, "/d/__cluster_metadata-0", "/d/__consumer_offsets-2", "/d/log-txn-0", "/d/log-compacted-0", "/d/bootstrap.checkpoint", "/d/meta.properties", "/d/.kafka_cleanshutdown",
		"/d/recovery-point-offset-checkpoint", "/d/__transaction_state-0", "/d/__transaction_state-1", "/d/__transaction_state-2", "/d/__transaction_state-3")
	wants(t, out,
		"/d/__cluster_metadata-0/quorum-state\n  state data={\"leaderId\":1,\"leaderEpoch\":1,",
		"/d/__cluster_metadata-0/partition.metadata\n  partition version=0 topicId=AAAAAAAAAAAAAAAAAAAAAQ\n",
		"leader-epoch-checkpoint\n  checkpoint version=0 entries=1\n  entry epoch=1 startOffset=0\n",
		"  batch position=0 size=174 baseOffset=0 lastOffset=2 count=3 leaderEpoch=1 codec=none timestamps=create ",
		` type=LEADER_CHANGE data={"version":0,"leaderId":1,"voters":[{"voterId":1,`,
		` type=FeatureLevelRecord version=0 data={"name":"metadata.version","featureLevel":`,
		`"isr":[1],`, `type=OffsetCommit key={"group":"log-group","topic":"log-none","partition":1} version=4 value={"offset":10,"leaderEpoch":-1,"metadata":"","commitTimestamp":`,
		` type=TransactionLog key={"transactionalId":"log-txn-`, `"transactionPartitions":[{"topic":"log-txn","partitionIds":[`,
		"  aborted producerId=", " codec=zstd ", "transactional=true control=false", " type=ABORT coordinatorEpoch=", " deleteHorizon=",
		"  snapshot version=1 producers=", "  producer producerId=", " value=null", `headers=[{"key":"header-0"`,
		"  properties ", "  state data={\"version\":0,\"brokerEpoch\":", "  entry topic=log-txn partition=0 offset=")
}

// TestDamage plants damage: what can be read is, then one line says what is wrong where.
func TestDamage(t *testing.T) {
	const log, index = "/d/log-none-0/00000000000000000000.log", "/d/__cluster_metadata-0/00000000000000000000.index"
	for name, c := range map[string]struct {
		file  string
		plant func(b []byte) []byte
		want  []string
	}{
		"a bit":                  {log, func(b []byte) []byte { b[200] ^= 1; return b }, []string{"batch position=0 ", "crc=wrong\n  damage position=0 problem=\"the checksum", "crc=right"}},
		"a cut batch":            {log, func(b []byte) []byte { return b[:len(b)-10] }, []string{"crc=cut\n  damage position=", "are left\""}},
		"a cut header":           {log, func(b []byte) []byte { return append(b, 0, 0, 1) }, []string{"the file ends within the header of a batch"}},
		"no batch":               {log, func(b []byte) []byte { return append(b, bytes.Repeat([]byte{7}, 100)...) }, []string{"problem=\"magic 7\""}},
		"an index that shrinks":  {index, func(b []byte) []byte { return append(b[:8:8], b[:8]...) }, []string{"  damage position=8 problem=\"the entry is not above"}},
		"half an entry":          {index, func(b []byte) []byte { return b[:11] }, []string{"  damage position=8 problem=\"3 bytes are no whole entry of 8\""}},
		"zeros within":           {index, func(b []byte) []byte { return append(make([]byte, 8), b...) }, []string{"damage position=0 problem=\"an entry of zeros"}},
		"a time index":           {"/d/__cluster_metadata-0/00000000000000000000.timeindex", func(b []byte) []byte { return append(b[:12:12], b[:12]...) }, []string{"  damage position=12 "}},
		"a transaction index":    {"/d/log-txn-0/00000000000000000000.txnindex", func(b []byte) []byte { b[1] = 9; return b }, []string{"  damage position=0 problem=\"impossible entry", "  aborted producerId="}},
		"a snapshot's checksum":  {"/d/log-txn-0/00000000000000000079.snapshot", func(b []byte) []byte { b[40] ^= 1; return b }, []string{"  producer ", "  damage position=2 problem=\"the checksum"}},
		"a snapshot's end":       {"/d/log-txn-0/00000000000000000079.snapshot", func(b []byte) []byte { return b[:60] }, []string{"  damage position=56 "}},
		"a checkpoint's line":    {"/d/log-start-offset-checkpoint", func([]byte) []byte { return []byte("0\n2\na 0 1\na x 2\n") }, []string{"entry topic=a partition=0 offset=1\n  damage position=10 problem=\"the line is no entry: \\\"a x 2\\\"\""}},
		"a checkpoint's count":   {"/d/log-start-offset-checkpoint", func([]byte) []byte { return []byte("0\n2\na 0 1\n") }, []string{"2 entries announced, 1 follow"}},
		"a checkpoint's version": {"/d/log-none-0/leader-epoch-checkpoint", func([]byte) []byte { return []byte("7\n0\n") }, []string{"version 7, this reads 0"}},
		"properties":             {"/d/meta.properties", func([]byte) []byte { return []byte("node.id=1\n") }, []string{"properties node.id=1\n  damage position=0"}},
		"a vote":                 {"/d/__cluster_metadata-0/quorum-state", func([]byte) []byte { return []byte("{\"leaderId\": 1,") }, []string{"text contents=", "  damage position=15 "}},
		"a mark":                 {"/d/__cluster_metadata-0/high-watermark", func([]byte) []byte { return []byte("0\n") }, []string{"  damage position=2 "}},
		"a topic's id":           {"/d/log-none-0/partition.metadata", func([]byte) []byte { return []byte("version: 0\ntopic_id: no") }, []string{"text contents=", "  damage position=0 "}},
	} {
		fs := kafkas(t)
		b, _ := vfs.ReadFile(fs, c.file, 1<<20)
		write(t, fs, c.file, c.plant(bytes.Clone(b)))
		out, damaged := run(t, fs, Options{Records: true}, c.file)
		if damaged != 1 {
			t.Errorf("%s: %d damaged places", name, damaged)
		}
		wants(t, out, c.want...)
	}
}

// TestReserved: space that a server reserved and did not use is no damage.
func TestReserved(t *testing.T) {
	fs := kafkas(t)
	for _, name := range []string{"/d/log-none-0/00000000000000000000.log", "/d/__cluster_metadata-0/00000000000000000000.index"} {
		b, err := vfs.ReadFile(fs, name, 1<<20)
		must(t, err)
		write(t, fs, name, append(b, make([]byte, 9600)...))
		if out, damaged := run(t, fs, Options{}, name); damaged > 0 || !strings.Contains(out, "bytes=9600\n") {
			t.Errorf("%d damaged: %s", damaged, out)
		}
	}
}

// TestSecretsStayOnes: what a dump is shown to somebody for is never a key.
func TestSecretsStayOnes(t *testing.T) {
	b := batch.NewBuilder(batch.Options{})
	secret := "hunter2"
	for _, r := range []records.Record{
		&records.UserScramCredentialRecord{Name: "alice", Mechanism: 1, Salt: []byte(secret), StoredKey: []byte(secret), ServerKey: []byte(secret), Iterations: 4096},
		&records.ConfigRecord{ResourceType: 4, ResourceName: "1", Name: "ssl.key.password", Value: &secret},
		&records.ConfigRecord{ResourceType: 4, ResourceName: "1", Name: "listener.name.x.ssl.keystore.password", Value: &secret},
	} {
		b.Append(1, nil, records.Append(nil, r, 0), nil)
	}
	v, err := b.Bytes()
	must(t, err)
	fs := vfs.NewMem()
	write(t, fs, "/d/__cluster_metadata-0/00000000000000000000.log", v)
	out, _ := run(t, fs, Options{Records: true}, "/d")
	wants(t, out, `"name":"alice"`, `"iterations":4096`, `"name":"ssl.key.password","value":"[hidden]"`)
	if strings.Contains(out, secret) {
		t.Error(out)
	}
}

// TestBoundedMemory: a length is believed only up to what is there, and even a
// large batch is not held but for its records.
func TestBoundedMemory(t *testing.T) {
	b := batch.NewBuilder(batch.Options{})
	b.Append(1, nil, make([]byte, 20<<20), nil)
	v, err := b.Bytes()
	must(t, err)
	fs := vfs.NewMem()
	write(t, fs, "/d/t-0/00000000000000000000.log", v)
	if n := testing.AllocsPerRun(1, func() { run(t, fs, Options{}, "/d") }); n > 200 {
		t.Errorf("%v allocations", n)
	}
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			run(b, fs, Options{}, "/d")
		}
	})
	if r.AllocedBytesPerOp() > 2<<20 {
		t.Errorf("%d bytes allocated for a header", r.AllocedBytesPerOp())
	}
}

func TestUnknown(t *testing.T) {
	fs := vfs.NewMem()
	write(t, fs, "/d/notes", []byte("x"))
	if _, err := Run(fs, []string{"/d/notes"}, Options{}, io.Discard); !errors.Is(err, ErrUnknownFile) {
		t.Error(err)
	}
	if _, err := Run(fs, []string{"/nothing"}, Options{}, io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if out, _ := run(t, fs, Options{}, "/d"); out != "/d/notes\n  other\n" {
		t.Errorf("%q", out)
	}
}

// full is a writer without room.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestNoRoom: that nothing could be written is told once, however much there was,
// and whatever else went wrong.
func TestNoRoom(t *testing.T) {
	for _, paths := range [][]string{{"/d"}, {"/d/meta.properties"}, {"/d/log-none-0", "/nothing"}} {
		if _, err := Run(kafkas(t), paths, Options{Records: true}, full{}); !errors.Is(err, errFull) || err.Error() != errFull.Error() {
			t.Errorf("%v: %v", paths, err)
		}
	}
}

// FuzzDump: whatever a file holds, a dump of it ends, and is one JSON object a line.
func FuzzDump(f *testing.F) {
	names := []string{"00000000000000000000.log", "00000000000000000000.index", "00000000000000000000.timeindex", "00000000000000000000.txnindex", "00000000000000000009.snapshot",
		"leader-epoch-checkpoint", "partition.metadata", "meta.properties", "quorum-state", "recovery-point-offset-checkpoint"}
	fs := kafkas(f)
	for i, name := range []string{"log-txn-0/00000000000000000000.log", "__cluster_metadata-0/00000000000000000000.index", "__cluster_metadata-0/00000000000000000000.timeindex",
		"log-txn-0/00000000000000000000.txnindex", "log-txn-0/00000000000000000079.snapshot", "log-txn-0/leader-epoch-checkpoint", "log-txn-0/partition.metadata", "meta.properties",
		"__cluster_metadata-0/quorum-state", "recovery-point-offset-checkpoint"} {
		b, err := vfs.ReadFile(fs, "/d/"+name, 1<<20)
		must(f, err)
		f.Add(uint8(i), uint8(i), b[:min(len(b), 4000)])
	}
	decoders := append([]Decoder{ByFolder}, Decoders...)
	f.Fuzz(func(t *testing.T, name, decoder uint8, b []byte) {
		fs := vfs.NewMem()
		write(t, fs, "/d/t-0/"+names[int(name)%len(names)], b)
		out, _ := run(t, fs, Options{JSON: true, Records: true, Decoder: decoders[int(decoder)%len(decoders)]}, "/d")
		for line := range strings.Lines(out) {
			if !json.Valid([]byte(line)) {
				t.Fatalf("%q", line)
			}
		}
	})
}
