// Package node runs one broker as a child process of a test, the same way for
// gregor and for Apache Kafka, so that every case can be pointed at either.
//
// A Software says how to format and start; a Server is one data folder with two
// ports on 127.0.0.1 and at most one process. Start returns when the client
// port answers ApiVersions, so a started server is a ready one. Kill is
// SIGKILL, Term is SIGTERM; both wait for the end of the process. Close ends
// what runs and removes the folder; Keep leaves it for whoever reads the failure.
package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ClusterID is the cluster that every test node is formatted for.
const ClusterID = "5L6g3nShT-eMCtK--X86sw"

// Software is a program that can be formatted and started from a Kafka
// configuration file.
type Software struct {
	Name string
	// Format prepares the folders; args say who the first voters are, such as --standalone.
	Format func(config, clusterID string, args ...string) *exec.Cmd
	Server func(config string, overrides ...string) *exec.Cmd
	// Ready bounds the time from start to an answered ApiVersions request.
	Ready time.Duration
}

// Place is where a node stands in a cluster. The zero value is the only node,
// broker and controller in one.
type Place struct {
	ID    int    // 0 means 1
	Roles string // process.roles; "" means both
	// Controller is one of the quorum's first controllers; nil if it is this node.
	Controller *Server
	// Static names the quorum by controller.quorum.voters (kraft.version 0)
	// instead of controller.quorum.bootstrap.servers and --standalone.
	Static bool
	// Joins: this controller is no voter until it is added to the quorum.
	Joins bool
	// Format are further arguments of format, such as --release-version.
	Format []string
	// Host is the address of all listeners, for a node in a network of its own;
	// "" means 127.0.0.1.
	Host string
}

// Server is one node's folder, ports and, while it runs, its process.
type Server struct {
	sw         Software
	place      Place
	first      *quorum // that it begins or joins
	dir        string
	port, ctrl int
	keep       bool

	mu   sync.Mutex
	cmd  *exec.Cmd
	out  *buffer
	done chan struct{} // closed when cmd has ended
	code int
}

// New makes a folder with a server.properties that extra overrides, picks two
// free ports and formats. It starts nothing.
func New(sw Software, extra map[string]string) (*Server, error) {
	return NewAt(sw, Place{}, extra)
}

// NewAt is New for one node of several.
func NewAt(sw Software, place Place, extra map[string]string) (*Server, error) {
	s, err := reserve(sw, place)
	if err != nil {
		return nil, err
	}
	if place.Controller != nil {
		s.first = place.Controller.first
	} else {
		s.first = &quorum{voters: []*Server{s}}
	}
	return s, s.format(extra)
}

// reserve picks a node's folder and ports.
func reserve(sw Software, place Place) (*Server, error) {
	dir, err := os.MkdirTemp("", "gregor-test-"+sw.Name+"-")
	if err != nil {
		return nil, err
	}
	ports, err := FreePorts(2)
	if err != nil {
		return nil, err
	}
	return &Server{sw: sw, place: place.withDefaults(), dir: dir, port: ports[0], ctrl: ports[1], out: &buffer{}}, nil
}

// format writes the configuration and prepares the folder.
func (s *Server) format(extra map[string]string) error {
	if err := os.WriteFile(s.Config(), []byte(s.properties(extra)), 0o600); err != nil {
		return err
	}
	if out, err := s.sw.Format(s.Config(), ClusterID, append(s.voters(), s.place.Format...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("format %s: %w\n%s", s.sw.Name, err, out)
	}
	return nil
}

// Run is New and Start in one step.
func Run(sw Software, extra map[string]string) (*Server, error) {
	s, err := New(sw, extra)
	if err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		s.Keep()
		s.Close()
		return nil, err
	}
	return s, nil
}

// properties is the configuration of a node that serves only this machine: replication factor one, few internal partitions, no initial
// rebalance delay.
func (s *Server) properties(extra map[string]string) string {
	p := map[string]string{
		"controller.listener.names":                        "CONTROLLER",
		"log.dirs":                                         s.LogDir(),
		"offsets.topic.replication.factor":                 "1",
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.num.partitions":             "4",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
		"share.coordinator.state.topic.num.partitions":     "4",
		"group.initial.rebalance.delay.ms":                 "0",
	}
	s.place.properties(s, p)
	for k, v := range extra {
		p[k] = v
	}
	var b strings.Builder
	for _, k := range sortedKeys(p) {
		fmt.Fprintf(&b, "%s=%s\n", k, p[k])
	}
	return b.String()
}

func sortedKeys(m map[string]string) []string {
	ks := make([]string, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	sort.Strings(ks)
	return ks
}

// Name is the software's name: gregor or apache.
func (s *Server) Name() string { return s.sw.Name }

// Software is what the node runs.
func (s *Server) Software() Software { return s.sw }

// Become makes other software run on the same folder from the next Start on.
func (s *Server) Become(sw Software) { s.sw = sw }

// Addr is the client listener.
func (s *Server) Addr() string { return fmt.Sprintf("%s:%d", s.place.Host, s.port) }

// Controller is the controller listener.
func (s *Server) Controller() string { return fmt.Sprintf("%s:%d", s.place.Host, s.ctrl) }

// Dir holds the configuration, the data folder and, when kept, the output.
func (s *Server) Dir() string { return s.dir }

// LogDir is the one data folder.
func (s *Server) LogDir() string { return filepath.Join(s.dir, "data") }

// Config is the path of server.properties.
func (s *Server) Config() string { return filepath.Join(s.dir, "server.properties") }

// PID is the running process, or 0.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Output is everything the processes of this server have printed so far.
func (s *Server) Output() string { return s.out.String() }

// Start starts the process and waits until it answers ApiVersions.
func (s *Server) Start(overrides ...string) error {
	cmd := s.sw.Server(s.Config(), overrides...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	go func() {
		_ = cmd.Wait() // the state is read below; an exit code is not an error here
		s.mu.Lock()
		s.code = cmd.ProcessState.ExitCode()
		s.mu.Unlock()
		close(done)
	}()
	return s.await(done)
}

func (s *Server) await(done <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.sw.Ready)
	defer cancel()
	addr := s.Addr()
	if !s.place.broker() {
		addr = s.Controller()
	}
	for {
		if answers(addr) == nil {
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("%s ended with code %d before it was ready:\n%s", s.sw.Name, s.code, tail(s.Output()))
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready after %v:\n%s", s.sw.Name, s.sw.Ready, tail(s.Output()))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// apiVersions is ApiVersions v0 with correlation id 1 and a null client id:
// size, key, version, correlation id, client id.
var apiVersions = []byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff}

// answers reports whether the port answers a Kafka request. A connection alone
// proves nothing: a listener may be bound long before requests are served.
func answers(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write(apiVersions); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 4))
	return err
}

// Kill ends the process with SIGKILL and waits for it.
func (s *Server) Kill() error {
	_, err := s.signal(syscall.SIGKILL, 10*time.Second)
	return err
}

// Term ends the process with SIGTERM and returns its exit code.
func (s *Server) Term(timeout time.Duration) (int, error) {
	return s.signal(syscall.SIGTERM, timeout)
}

func (s *Server) signal(sig syscall.Signal, timeout time.Duration) (int, error) {
	s.mu.Lock()
	cmd, done := s.cmd, s.done
	s.mu.Unlock()
	if cmd == nil {
		return 0, errors.New("nothing runs")
	}
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-done:
	case <-time.After(timeout):
		_ = cmd.Process.Kill() // it had its time; what is wrong is told below
		<-done
		return -1, fmt.Errorf("%s still ran %v after %v", s.sw.Name, timeout, sig)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmd = nil
	return s.code, nil
}

// Alive reports whether the process still runs.
func (s *Server) Alive() bool {
	s.mu.Lock()
	cmd, done := s.cmd, s.done
	s.mu.Unlock()
	if cmd == nil {
		return false
	}
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// Keep leaves the folder in place at Close, with the output in output.log.
func (s *Server) Keep() { s.keep = true }

// Close ends the process and removes the folder unless Keep was called.
func (s *Server) Close() {
	if s.PID() != 0 {
		_ = s.Kill() // nothing to do about a process that will not die
	}
	if s.keep {
		_ = os.WriteFile(filepath.Join(s.dir, "output.log"), []byte(s.Output()), 0o600)
		return
	}
	_ = os.RemoveAll(s.dir)
}

// tail is the end of a long output, enough to see why something failed.
func tail(s string) string {
	const keep = 6000
	if len(s) > keep {
		return "…" + s[len(s)-keep:]
	}
	return s
}

// buffer collects output of several processes; safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
