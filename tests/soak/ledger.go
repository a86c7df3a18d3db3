package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
)

// ranges finds the seeds that a line of the ledger says were run.
var ranges = regexp.MustCompile(`(?m)^\|[^|]*\|[^|]*\| quorum \| (\d+)–(\d+) \|`)

// lastSeed is the highest seed in the ledger, 0 without one.
func lastSeed(path string) (last uint64, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, m := range ranges.FindAllSubmatch(b, -1) {
		n, err := strconv.ParseUint(string(m[2]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		last = max(last, n)
	}
	return last, nil
}

// add appends a line to the ledger.
func add(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}
