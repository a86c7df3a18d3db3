package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command shows how it is used.
func TestEveryCommandHasAnExample(t *testing.T) {
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		if !strings.Contains(cmd.Example, "gregor") {
			t.Errorf("%s --help has no example", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			look(sub)
		}
	}
	look(newRootCommand())
}

// A mistake on the command line is never taken for work that was done.
func TestMistakesOnTheCommandLine(t *testing.T) {
	for line, want := range map[string]string{
		"servr server.properties": "did you mean server?",
		"group lst":               "did you mean list?",
		"group list payments":     "payments",
		"version -o yaml":         "write text or json",
		"group list -o yaml":      "write text or json",
		"check -o yaml /nowhere":  "write text or json",
		"format -c f -t 5L6g3nShT-eMCtK--X86sw --standalone --no-initial-controllers":                           "say one of",
		"format -c f -t 5L6g3nShT-eMCtK--X86sw --standalone --initial-controllers 1@a:1:5L6g3nShT-eMCtK--X86sw": "say one of",
		"format -c f -t 5L6g3nShT-eMCtK--X86sw --no-initial-controllers -I 1@a:1:5L6g3nShT-eMCtK--X86sw":        "say one of",
		"format -c f": "-t CLUSTER_ID",
		"server":      "name one configuration file",
		"--bogus":     "unknown flag",
	} {
		cmd := newRootCommand()
		cmd.SetArgs(strings.Fields(line))
		cmd.SetOut(&bytes.Buffer{})
		err := cmd.Execute()
		if _, usage := err.(usageError); !usage || !strings.Contains(err.Error(), want) {
			t.Errorf("gregor %s: %v, want a mistake of usage with %q", line, err, want)
		}
		if code := run(strings.Fields(line)); code != 2 {
			t.Errorf("gregor %s ended with %d", line, code)
		}
	}
}
