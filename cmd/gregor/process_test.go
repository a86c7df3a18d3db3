package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const cluster = "5L6g3nShT-eMCtK--X86sw"

// asProgram lets the test binary be gregor: tests that need a process start it
// again with this variable set.
const asProgram = "GREGOR_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a gregor that runs.
type process struct {
	*exec.Cmd
	t      *testing.T
	stdout *os.File // what it prints comes out here
	lines  *bufio.Scanner
	seen   strings.Builder
	stderr output
}

// output collects what is written and tells when a text has come.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{} // room for one: something came
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// gregor starts the program; wrapped is what it is started by, if anything.
func gregor(t *testing.T, wrapped []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	line := append(append(wrapped, self), args...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(line[0], line[1:]...), t: t, stdout: r, lines: bufio.NewScanner(r), stderr: output{more: make(chan struct{}, 1)}}
	p.Env, p.Stdout, p.Stderr = append(os.Environ(), asProgram+"=1"), w, &p.stderr
	// Signals that this process was told to ignore (nohup, a shell's background) its
	// child would ignore too. What has a handler here has the default there.
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT)
	err = p.Start()
	if signal.Stop(handled); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it has ended, if all went well
		_, _ = p.Process.Wait()
		r.Close()
	})
	return p
}

// says waits for the texts on stdout, in any order.
func (p *process) says(texts ...string) {
	p.t.Helper()
	missing := func(text string) bool { return !strings.Contains(p.seen.String(), text) }
	for slices.ContainsFunc(texts, missing) {
		if !p.lines.Scan() {
			p.t.Fatalf("it never said all of %q:\n%s%s", texts, &p.seen, &p.stderr)
		}
		fmt.Fprintln(&p.seen, p.lines.Text())
	}
}

func (p *process) send(sig syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// ends waits for the end and returns all that was said.
func (p *process) ends(code int) string {
	p.t.Helper()
	for p.lines.Scan() {
		fmt.Fprintln(&p.seen, p.lines.Text())
	}
	_ = p.Wait() // the code says it
	all := p.seen.String() + p.stderr.String()
	if got := p.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("it ended with %v, want code %d:\n%s", p.ProcessState, code, all)
	}
	return all
}

// configuration writes the server.properties of a node on free ports and formats its folder.
func configuration(t *testing.T, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "server.properties")
	text := "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\ncontroller.listener.names=CONTROLLER\n" +
		"controller.quorum.bootstrap.servers=127.0.0.1:1\noffsets.topic.replication.factor=1\nlog.dirs=" + filepath.Join(dir, "data") + "\n" +
		strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// formatted is a configuration whose folder is ready.
func formatted(t *testing.T, lines ...string) string {
	t.Helper()
	file := configuration(t, lines...)
	args := []string{"format", "-c", file, "-t", cluster}
	if !strings.Contains(strings.Join(lines, " "), "process.roles=broker") {
		args = append(args, "--standalone")
	}
	if code := run(args); code != 0 {
		t.Fatalf("gregor format ended with %d", code)
	}
	return file
}

// A signal counts from the first moment: a broker that finds no controller ends
// when it is told to, and not when it has given up.
func TestStopsWhileItStarts(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	p := gregor(t, nil, "server", formatted(t, "process.roles=broker", "listeners=PLAINTEXT://127.0.0.1:0",
		"controller.quorum.bootstrap.servers="+closed.Addr().String(), "initial.broker.registration.timeout.ms=5000"))
	p.says("Listener")
	p.send(syscall.SIGTERM)
	if all := p.ends(0); !strings.Contains(all, "Stopped before the start was over") {
		t.Error(all)
	}
}

// timeout(1) sends a signal to the process and then to its group: that is one signal.
func TestOneSignalSentTwice(t *testing.T) {
	p := gregor(t, nil, "server", formatted(t))
	p.says("Kafka Server started")
	p.send(syscall.SIGTERM)
	_ = p.Process.Signal(syscall.SIGINT) // another one, so that the kernel cannot make one of the two; the node may be gone already
	p.ends(0)
}

// Who insists is obeyed: a broker that waits for its controllers ends at once.
func TestSecondSignal(t *testing.T) {
	there, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := there.Addr().String()
	there.Close()
	controller := gregor(t, nil, "server", formatted(t, "process.roles=controller", "listeners=CONTROLLER://"+address))
	controller.says("This node is the active controller")
	p := gregor(t, nil, "server", formatted(t, "process.roles=broker", "node.id=2", "listeners=PLAINTEXT://127.0.0.1:0", "controller.quorum.bootstrap.servers="+address))
	p.says("Kafka Server started")
	_ = controller.Process.Kill()
	p.send(syscall.SIGTERM)
	p.says("Shutting down")
	go func() {
		for p.Process.Signal(syscall.SIGINT) == nil {
			time.Sleep(10 * time.Millisecond) // the first ones count as one with SIGTERM
		}
	}()
	if all := p.ends(1); !strings.Contains(all, "Second signal") {
		t.Error(all)
	}
}

// Who gives up says what was tried, in one line.
func TestNoControllerIsThere(t *testing.T) {
	p := gregor(t, nil, "server", formatted(t, "process.roles=broker", "listeners=PLAINTEXT://127.0.0.1:0", "initial.broker.registration.timeout.ms=50"))
	all := p.ends(1)
	at := strings.LastIndex(strings.TrimSpace(all), "\n")
	if last := all[at+1:]; !strings.HasPrefix(last, "gregor: the broker cannot join its cluster: ") || !strings.Contains(last, "127.0.0.1:1 run") || !strings.Contains(last, cluster) {
		t.Errorf("the last line is %q of\n%s", last, all)
	}
}

// The signals that end a JVM cleanly do so here, and nohup keeps its sense.
func TestHangUp(t *testing.T) {
	p := gregor(t, nil, "server", formatted(t))
	p.says("Kafka Server started")
	p.send(syscall.SIGHUP)
	if all := p.ends(0); !strings.Contains(all, `{"signal": "hangup"}`) || !strings.Contains(all, "INFO Stopped") {
		t.Error(all)
	}

	p = gregor(t, []string{"nohup"}, "server", formatted(t))
	p.says("Kafka Server started")
	p.send(syscall.SIGHUP)
	p.send(syscall.SIGINT)
	if all := p.ends(0); !strings.Contains(all, `{"signal": "interrupt"}`) || strings.Contains(all, "hangup") {
		t.Error(all)
	}
}

// SIGQUIT is a question: where is everybody? The node goes on.
func TestQuitPrintsAndGoesOn(t *testing.T) {
	p := gregor(t, nil, "server", formatted(t))
	p.says("Kafka Server started")
	p.send(syscall.SIGQUIT)
	for !strings.Contains(p.stderr.String(), "goroutine ") {
		<-p.stderr.more
	}
	p.send(syscall.SIGTERM)
	p.ends(0)
}

// Who reads the log may go: the node does not go with it.
func TestNobodyReadsTheLog(t *testing.T) {
	p := gregor(t, nil, "server", formatted(t))
	p.says("Kafka Server started")
	p.stdout.Close()
	p.send(syscall.SIGTERM)
	p.ends(0)
}
