// Command gregor is a Kafka broker, a KRaft controller, or both, in one process.
//
//	gregor                                a development node on loopback
//	gregor server FILE [--override k=v]   a node as server.properties says
//	gregor format -c FILE -t CLUSTER_ID   prepare its directories
//	gregor dump FILE|DIR...               print the files of a data folder
//	gregor check DIR...                   verify data folders
//	gregor version
//
// This package only reads the command line and wires the rooms together
// (assemble.go); what they do is theirs.
package main

import (
	"errors"
	"fmt"
	"os"
)

// version is set by the build (-X main.version=…).
var version = "unknown"

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit code: 0 after a clean shutdown, 1 when the node can't
// start or go on, 2 when the command line is wrong or a folder could not be checked.
func run(args []string) int {
	cmd := newRootCommand()
	cmd.SetArgs(args)
	err := cmd.Execute()
	var usage usageError
	var unchecked uncheckedError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &unchecked):
		fmt.Fprintf(os.Stderr, "gregor: %v\n", err)
		return 2
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "gregor: %v\nSee 'gregor help'.\n", err)
		return 2
	default:
		fmt.Fprintf(os.Stderr, "gregor: %v\n", err)
		return 1
	}
}

// usageError is a mistake on the command line rather than in the world.
type usageError struct{ error }
