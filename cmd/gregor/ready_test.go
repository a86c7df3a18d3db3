package main

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

var boundHTTP = regexp.MustCompile(`HTTP port.*"bound": "([^"]+)"`)

// ask is a page of the process's HTTP port.
func (p *process) ask(path string) (int, string) {
	p.t.Helper()
	at := boundHTTP.FindStringSubmatch(p.seen.String())
	if at == nil {
		p.t.Fatalf("no HTTP port in\n%s", &p.seen)
	}
	resp, err := http.Get("http://" + at[1] + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// A controller is ready when it knows a leader: before, nobody gets an answer from it.
func TestAControllerIsReadyWithALeader(t *testing.T) {
	alone := []string{"process.roles=controller", "listeners=CONTROLLER://127.0.0.1:0", "gregor.http.listener=127.0.0.1:0"}
	p := gregor(t, nil, "server", formatted(t, alone...))
	p.says("Kafka Server started", "This node is the active controller")
	if code, text := p.ask("/readyz"); code != http.StatusOK || text != "ok\n" {
		t.Errorf("with a leader: %d %s", code, text)
	}
	p.send(syscall.SIGTERM)
	p.ends(0)

	file := configuration(t, alone...)
	if code := run([]string{"format", "-c", file, "-t", cluster, "-I", "1@127.0.0.1:1:Fp0B2BWFRpKboyRdFYn8fw,2@127.0.0.1:2:5L6g3nShT-eMCtK--X86sw"}); code != 0 {
		t.Fatal(code)
	}
	p = gregor(t, nil, "server", file)
	p.says("Kafka Server started")
	if code, text := p.ask("/readyz"); code != http.StatusServiceUnavailable || text != "no leader of the quorum is known\n" {
		t.Errorf("without one: %d %s", code, text)
	}
	if code, text := p.ask("/livez"); code != http.StatusOK || text != "ok\n" {
		t.Errorf("/livez: %d %s", code, text)
	}
	p.send(syscall.SIGTERM)
	p.ends(0)
}

// A port that cannot be had is told with the property that asks for it.
func TestPortsThatCannotBeHad(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for override, want := range map[string]string{
		"gregor.http.listener=" + taken.Addr().String():                                "the port is in use: stop the process that has it, or change gregor.http.listener",
		"gregor.http.listener=192.0.2.1:9404":                                          "no such address: correct the host in gregor.http.listener",
		"listeners=PLAINTEXT://" + taken.Addr().String() + ",CONTROLLER://127.0.0.1:0": "the port is in use: stop the process that has it, or change listeners",
		"listeners=PLAINTEXT://192.0.2.1:0,CONTROLLER://127.0.0.1:0":                   "no such address: correct the host in listeners",
		"listeners=PLAINTEXT://no-such-host.onion:0,CONTROLLER://127.0.0.1:0":          "correct the host in listeners",
	} {
		said := gregor(t, nil, "server", formatted(t), "--override", override).ends(1)
		if !strings.Contains(said, want) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: it said %q, want one line with %q", override, said, want)
		}
	}
}
