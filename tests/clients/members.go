package clients

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gregorbroker/gregor/tests/apache"
)

// Members is a process with members of consumer groups that do as they are told.
// Commands are lines on its standard input:
//
//	start MEMBER GROUP TOPICS [key=value …]  a consumer; topics with commas, or a pattern from ^ on
//	subscribe MEMBER TOPICS                  a new subscription
//	unsubscribe MEMBER
//	commit MEMBER [OFFSET]                   what it has read (kafkajs: that offset of partition 0)
//	stop MEMBER                              it leaves
//
// A member reads all the time, and commits after each batch. What happens is told in
// lines on standard output, with the time in milliseconds since 1970:
//
//	e TIME MEMBER assigned|revoked TOPIC-PARTITION …
//	e TIME MEMBER records TOPIC-PARTITION FIRST LAST    offsets, read and about to be committed
//	e TIME MEMBER uncommitted WHY                       those just told may be read again
//	e TIME MEMBER did COMMAND MILLISECONDS
//	e TIME MEMBER failed WHY
type Members struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{}
	mu   sync.Mutex // of in
}

// StartMembers runs a program of members; every line that it prints goes to event,
// on one goroutine.
func StartMembers(cmd *exec.Cmd, event func(line string)) (*Members, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	m := &Members{cmd: cmd, in: in, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			event(lines.Text())
		}
		_ = cmd.Wait() // killed or ended: who asked for it knows
	}()
	return m, nil
}

// Tell sends one command.
func (m *Members) Tell(words ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := fmt.Fprintln(m.in, strings.Join(words, " "))
	return err
}

// Kill ends the process with SIGKILL and waits for it.
func (m *Members) Kill() error {
	err := m.cmd.Process.Kill()
	<-m.done
	return err
}

// Close lets all members leave and waits for the process.
func (m *Members) Close() error {
	err := m.in.Close()
	<-m.done
	return err
}

// JavaMembers is the Java client's program of members.
func JavaMembers(cache string, h apache.Home, addr string) (*exec.Cmd, error) {
	if _, err := exec.LookPath("javac"); err != nil {
		return nil, Missing{"javac", "the Java client is skipped"}
	}
	dir, err := unpack(cache, "java")
	if err != nil {
		return nil, err
	}
	if err := h.Javac(filepath.Join(dir, "GroupMembers.java"), dir); err != nil {
		return nil, err
	}
	return exec.Command("java", "-Xmx256M", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Dlog4j2.configurationFile="+filepath.Join(string(h), "config", "tools-log4j2.xml"), "-cp", dir+":"+h.Classpath(), "GroupMembers", addr), nil
}

// LibrdkafkaMembers is librdkafka's program of members.
func LibrdkafkaMembers(cache, addr string) (*exec.Cmd, error) {
	cs, err := Python(cache)
	if err != nil {
		return nil, err
	}
	if len(cs) == 0 {
		return nil, errors.New("confluent-kafka is not installed")
	}
	dir := filepath.Join(cache, "clients", "python")
	return exec.Command(filepath.Join(dir, "venv", "bin", "python"), filepath.Join(dir, "confluent_members.py"), addr), nil
}

// KafkajsMembers is kafkajs's program of members.
func KafkajsMembers(cache, addr string) (*exec.Cmd, error) {
	if _, _, err := Node(cache); err != nil {
		return nil, err
	}
	return exec.Command("node", filepath.Join(cache, "clients", "node", "members.js"), addr), nil
}
