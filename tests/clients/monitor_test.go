package clients

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/tests/node"
)

var httpPort = regexp.MustCompile(`HTTP port.*"bound": "([^"]+)"`)

// What an operator looks at: readiness, the metrics under Kafka's names, a
// group's lag, and why it rebalanced.
func TestAnOperatorSeesANodeAndItsGroups(t *testing.T) {
	srv := start(t, map[string]string{"gregor.http.listener": "127.0.0.1:0"})
	found := httpPort.FindStringSubmatch(srv.Output())
	if found == nil {
		t.Fatalf("no HTTP port in the log:\n%s", srv.Output())
	}
	base := "http://" + found[1]
	if got := get(t, base+"/readyz"); got != "ok\n" {
		t.Errorf("/readyz: %q", got)
	}
	ctx := patience(t)
	cl := client(t, srv, kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := cl.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if fs := cl.PollRecords(ctx, 2); fs.Err() != nil || fs.NumRecords() != 2 {
		t.Fatalf("polled %d records: %v", fs.NumRecords(), fs.Err())
	}
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}

	page := get(t, base+"/metrics")
	for _, want := range []string{
		`kafka_consumergroup_lag{consumergroup="g",partition="0",topic="t"} 3`,
		`kafka_controller_kafkacontroller_activecontrollercount 1`,
		`kafka_controller_kafkacontroller_activebrokercount 1`,
		`kafka_server_raftmetrics_current_state{current_state="leader"} 1`,
		`kafka_log_log_logendoffset{partition="0",topic="t"} 5`,
		`kafka_consumergroup_members{consumergroup="g"} 1`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}

	var report struct {
		Type, State string
		Lag         int64
		Members     []struct{ Partitions int }
		Rebalances  []struct {
			Reason string
			Ended  int64
		}
	}
	if err := json.Unmarshal(cli(t, "group", "describe", "g", "-b", srv.Addr(), "-o", "json"), &report); err != nil {
		t.Fatal(err)
	}
	if report.Type != "classic" || report.State != "Stable" || report.Lag != 3 || len(report.Members) != 1 || report.Members[0].Partitions != 1 {
		t.Errorf("gregor group describe: %+v", report)
	}
	if n := len(report.Rebalances); n == 0 || report.Rebalances[n-1].Reason == "" || report.Rebalances[n-1].Ended == 0 {
		t.Errorf("why did it rebalance? %+v", report.Rebalances)
	}
	if list := string(cli(t, "group", "list", "-b", srv.Addr())); !strings.Contains(list, "g      classic  consumer  Stable") {
		t.Errorf("gregor group list:\n%s", list)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v\n%s", url, resp.Status, err, text)
	}
	return string(text)
}

// cli runs a command of the gregor program and returns what it prints.
func cli(t *testing.T, args ...string) []byte {
	t.Helper()
	program, err := node.Build()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("gregor %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	return out.Bytes()
}
