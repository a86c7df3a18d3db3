package clients

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestMain(m *testing.M) {
	code := m.Run()
	node.Clean()
	os.Exit(code)
}

func gregor(t *testing.T) node.Software {
	t.Helper()
	bin, err := node.Build()
	if err != nil {
		t.Fatal(err)
	}
	return node.Gregor(bin)
}

// start runs a fresh node that ends with the test and is kept if it failed.
func start(t *testing.T, extra map[string]string) *node.Server {
	t.Helper()
	srv, err := node.Run(gregor(t), extra)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			srv.Keep()
			t.Logf("kept %s", srv.Dir())
		}
		srv.Close()
	})
	return srv
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, srv *node.Server, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(srv.Addr())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// The round trip of tests/interop with the one client that needs nothing but
// Go, smaller, and the end of the log checked after a restart too.
func TestRoundTripInEveryCodec(t *testing.T) {
	const count = 5000
	srv := start(t, nil)
	ctx := patience(t)
	adm := kadm.NewClient(client(t, srv))
	for _, codec := range Codecs {
		if _, err := adm.CreateTopic(ctx, 3, 1, nil, "clients-franz-go-"+codec); err != nil {
			t.Fatal(err)
		}
		r, err := Franz(ctx, srv.Addr(), count, codec)
		if err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		if err := r.Check(count); err != nil {
			t.Errorf("%s: %v", codec, err)
		}
	}
	if code, err := srv.Term(10 * time.Second); err != nil || code != 0 {
		t.Fatalf("SIGTERM: code %d, %v\n%s", code, err, srv.Output())
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	for _, codec := range Codecs {
		if err := Verify(ctx, srv.Addr(), "clients-franz-go-"+codec, codec, count); err != nil {
			t.Errorf("after the restart: %s: %v", codec, err)
		}
		// Both consumers have left, so the group's commits stand at the end of each partition.
		committed, err := adm.FetchOffsetsForTopics(ctx, "group-franz-go-"+codec, "clients-franz-go-"+codec)
		if err != nil {
			t.Fatal(err)
		}
		sum := int64(0)
		committed.Each(func(o kadm.OffsetResponse) { sum += max(o.At, 0) })
		if sum != count {
			t.Errorf("after the restart: %s: the group's offsets add up to %d, want %d", codec, sum, count)
		}
	}
}

func TestTopicsAreCreatedAndDeletedForGood(t *testing.T) {
	srv := start(t, nil)
	ctx := patience(t)
	cl := client(t, srv)
	adm := kadm.NewClient(cl)
	for round := range 3 {
		if _, err := adm.CreateTopic(ctx, 4, 1, nil, "again"); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "again", Value: fmt.Append(nil, round)}).FirstErr(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		ends, err := adm.ListEndOffsets(ctx, "again")
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		ends.Each(func(o kadm.ListedOffset) { total += o.Offset })
		if total != 1 {
			t.Fatalf("round %d: %d records in a topic that was made anew", round, total)
		}
		if _, err := adm.DeleteTopic(ctx, "again"); err != nil {
			t.Fatalf("round %d: delete: %v", round, err)
		}
		cl.PurgeTopicsFromClient("again")
	}
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if topics.Has("again") {
		t.Error("a deleted topic is back after kill and restart")
	}
}

// two consumers share a group: when one leaves, the other gets everything.
func TestGroupMovesPartitions(t *testing.T) {
	srv := start(t, nil)
	ctx := patience(t)
	prod := client(t, srv)
	if _, err := kadm.NewClient(prod).CreateTopic(ctx, 4, 1, nil, "moving"); err != nil {
		t.Fatal(err)
	}
	opts := []kgo.Opt{kgo.ConsumerGroup("movers"), kgo.ConsumeTopics("moving"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(100 * time.Millisecond)}
	a, b := client(t, srv, opts...), client(t, srv, opts...)
	polling, stop := context.WithCancel(ctx)
	defer stop()
	for _, cl := range []*kgo.Client{a, b} {
		go func() {
			for polling.Err() == nil {
				cl.PollFetches(polling)
			}
		}()
	}
	awaitMembers(t, ctx, kadm.NewClient(prod), []int{2, 2})
	if err := b.LeaveGroupContext(ctx); err != nil {
		t.Fatal(err)
	}
	awaitMembers(t, ctx, kadm.NewClient(prod), []int{4})
}

// awaitMembers waits until the group is stable with this many partitions a member.
func awaitMembers(t *testing.T, ctx context.Context, adm *kadm.Client, want []int) {
	t.Helper()
	var got []int
	for ctx.Err() == nil {
		gs, err := adm.DescribeGroups(ctx, "movers")
		if err != nil { // the coordinator is being made
			time.Sleep(20 * time.Millisecond)
			continue
		}
		got = nil
		for _, m := range gs["movers"].Members {
			if asg, ok := m.Assigned.AsConsumer(); ok {
				n := 0
				for _, tp := range asg.Topics {
					n += len(tp.Partitions)
				}
				got = append(got, n)
			}
		}
		if gs["movers"].State == "Stable" && fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("partitions a member: %v, want %v", got, want)
}

func TestStopAndStartAgainKeepsEverything(t *testing.T) {
	srv := start(t, nil)
	ctx := patience(t)
	cl := client(t, srv)
	adm := kadm.NewClient(cl)
	retention := "123456"
	if _, err := adm.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &retention}, "kept"); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "kept", Key: []byte("k"), Value: fmt.Append(nil, round)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if code, err := srv.Term(10 * time.Second); err != nil || code != 0 {
			t.Fatalf("SIGTERM: code %d, %v\n%s", code, err, srv.Output())
		}
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
	}
	ends, err := adm.ListEndOffsets(ctx, "kept")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	ends.Each(func(o kadm.ListedOffset) { total += o.Offset })
	if total != 3 {
		t.Errorf("%d records, want 3", total)
	}
	cs, err := adm.DescribeTopicConfigs(ctx, "kept")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs[0].Configs {
		if c.Key == "retention.ms" && c.MaybeValue() != retention {
			t.Errorf("retention.ms is %s after restarts, want %s", c.MaybeValue(), retention)
		}
	}
}

// A node that can not start says why in one line of text, names the cause, and
// ends with code 1. Each case breaks one thing about a good configuration.
func TestMistakesAreNamed(t *testing.T) {
	sw := gregor(t)
	running := start(t, nil)
	cases := []struct {
		name   string
		change func(t *testing.T, s *node.Server) []string // overrides
		says   []string
	}{
		{"second node on the same folder", func(*testing.T, *node.Server) []string { return []string{"log.dirs=" + running.LogDir()} }, []string{running.LogDir()}},
		{"busy client port", func(t *testing.T, s *node.Server) []string {
			l, err := net.Listen("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return nil
		}, []string{"PORT", "in use"}},
		{"property that is no number", func(*testing.T, *node.Server) []string { return []string{"num.partitions=many"} }, []string{"num.partitions", "many"}},
		{"property out of range", func(*testing.T, *node.Server) []string { return []string{"num.partitions=0"} }, []string{"num.partitions", "0"}},
		{"folder of another node", func(*testing.T, *node.Server) []string { return []string{"node.id=7"} }, []string{"7", "1"}},
		{"folder of another cluster", func(t *testing.T, s *node.Server) []string {
			return []string{"log.dirs=" + s.LogDir() + "," + foreignFolder(t, s)}
		}, []string{foreignCluster, node.ClusterID}},
		{"folder that is not formatted", func(t *testing.T, s *node.Server) []string {
			return []string{"log.dirs=" + filepath.Join(s.Dir(), "empty")}
		}, []string{"format"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := node.New(sw, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			code, out := runToEnd(t, sw.Server(s.Config(), c.change(t, s)...))
			if code != 1 {
				t.Errorf("code %d, want 1; it said:\n%s", code, out)
			}
			for _, w := range c.says {
				w = strings.ReplaceAll(w, "PORT", s.Addr()[strings.LastIndex(s.Addr(), ":")+1:])
				if !strings.Contains(out, w) {
					t.Errorf("it does not say %q:\n%s", w, out)
				}
			}
			// Warnings about properties belong to every start; beside them, one line.
			told := 0
			for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
				if !strings.Contains(l, " WARN ") {
					told++
				}
			}
			if told != 1 {
				t.Errorf("%d lines where one is due:\n%s", told, out)
			}
			if strings.Contains(out, "goroutine ") || strings.Contains(out, "panic") {
				t.Errorf("a stack trace is no message:\n%s", out)
			}
		})
	}
	if !running.Alive() {
		t.Error("the node that was there first has ended")
	}
}

const foreignCluster = "4L6g3nShT-eMCtK--X86sw"

// foreignFolder is formatted like s's, for another cluster.
func foreignFolder(t *testing.T, s *node.Server) string {
	t.Helper()
	meta, err := os.ReadFile(filepath.Join(s.LogDir(), "meta.properties"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir(), "foreign")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(meta), node.ClusterID, foreignCluster)
	if err := os.WriteFile(filepath.Join(dir, "meta.properties"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runToEnd runs a command that must end by itself.
func runToEnd(t *testing.T, cmd *exec.Cmd) (int, string) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
		return cmd.ProcessState.ExitCode(), out.String()
	case <-time.After(15 * time.Second):
		_ = cmd.Process.Kill()
		<-done
		t.Fatalf("it still runs after 15 s; it said:\n%s", out.String())
		return 0, ""
	}
}

func TestFormatRefusesAFormattedFolder(t *testing.T) {
	sw := gregor(t)
	s, err := node.New(sw, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	code, out := runToEnd(t, sw.Format(s.Config(), node.ClusterID, "--standalone"))
	if code != 1 || !strings.Contains(out, s.LogDir()) || !strings.Contains(out, "--ignore-formatted") {
		t.Errorf("code %d; it must name the folder and the way out:\n%s", code, out)
	}
}

func TestReadyLineComesBeforeThePortAnswers(t *testing.T) {
	srv := start(t, nil)
	if !strings.Contains(srv.Output(), srv.Addr()) {
		t.Errorf("the start does not say where it listens:\n%s", srv.Output())
	}
	if n := strings.Count(srv.Output(), "\n"); n > 20 {
		t.Errorf("%d lines for a start without news:\n%s", n, srv.Output())
	}
}
