package main

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Every tool gets this long; the slowest takes a few seconds on a busy machine.
const toolTimeout = 90 * time.Second

// tool runs a kafka-*.sh script and returns its standard output and error
// together. It must end with code 0.
func (t *c) tool(name string, args ...string) string {
	out, err := t.exec(t.home.Tool(name, args...), "")
	if err != nil {
		t.fatalf("%v", err)
	}
	return out
}

// toolFails runs a script that must end with another code than 0.
func (t *c) toolFails(name string, args ...string) string {
	out, err := t.exec(t.home.Tool(name, args...), "")
	if _, ended := err.(*exec.ExitError); !ended {
		t.fatalf("it must end with another code than 0, but: %v", err)
	}
	return out
}

// admin is tool with --bootstrap-server in front.
func (t *c) admin(name string, args ...string) string {
	return t.tool(name, append([]string{"--bootstrap-server", t.srv.Addr()}, args...)...)
}

func (t *c) adminFails(name string, args ...string) string {
	return t.toolFails(name, append([]string{"--bootstrap-server", t.srv.Addr()}, args...)...)
}

func (t *c) exec(cmd *exec.Cmd, stdin string) (string, error) {
	return t.execFor(cmd, stdin, toolTimeout)
}

func (t *c) execFor(cmd *exec.Cmd, stdin string, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Stdin = &out, &out, strings.NewReader(stdin)
	t.log = append(t.log, "$ "+strings.Join(cmd.Args, " "))
	if err := cmd.Start(); err != nil {
		return "", err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-done
		err = errors.New("killed: no end after " + limit.String())
	}
	text := out.String()
	t.log = append(t.log, clip(text))
	return text, err
}

// clip keeps a failure's report readable.
func clip(s string) string {
	const limit = 4000
	if len(s) > limit {
		return s[:limit/2] + "\n…\n" + s[len(s)-limit/2:]
	}
	return s
}

// wants fails unless every regular expression matches the text. They are
// multi-line: ^ and $ match at lines.
func (t *c) wants(text string, patterns ...string) {
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(text) {
			t.fatalf("no match for %q in:\n%s", p, clip(text))
		}
	}
}

// wantsNot fails if one of the regular expressions matches.
func (t *c) wantsNot(text string, patterns ...string) {
	for _, p := range patterns {
		if m := regexp.MustCompile("(?m)" + p).FindString(text); m != "" {
			t.fatalf("%q must not match, but %q does in:\n%s", p, m, clip(text))
		}
	}
}

// clean fails if a tool complained on the way to its result.
func (t *c) clean(text string) {
	t.wantsNot(text, `\bWARN\b`, `\bERROR\b`, `Exception`)
}

// find returns the first group of the pattern.
func (t *c) find(text, pattern string) string {
	m := regexp.MustCompile("(?m)" + pattern).FindStringSubmatch(text)
	if m == nil {
		t.fatalf("no match for %q in:\n%s", pattern, clip(text))
	}
	return m[1]
}
