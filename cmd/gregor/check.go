package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/gregorbroker/gregor/storage/check"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// errDamaged: something was found that no start repairs. What it was is printed already.
var errDamaged = errors.New("the folder is damaged")

func newCheckCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "check DIR...",
		Short: "Verify data folders, offline, and say what is wrong where",
		Long: `Verifies the data folders of one node (log.dirs), Kafka's or gregor's: every
batch, index, snapshot and checkpoint, and what they say of each other. Nothing is
written. A folder that a server uses is refused.

Exit codes: 0 nothing is wrong, or only what the next start repairs by itself;
1 something is damaged; 2 the folders could not be checked.`,
		Example: `  gregor check /var/lib/kafka/data
  gregor check /disk1/kafka /disk2/kafka -o json | jq 'select(.repairable == false)'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(output)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return usageError{errors.New("name a folder: gregor check DIR...")}
			}
			return runCheck(args, asJSON, cmd.OutOrStdout(), os.Stderr)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json: one object a finding, the last one with what was read")
	return cmd
}

// uncheckedError: nothing can be said of the folders. The exit code is 2.
type uncheckedError struct{ error }

// Unwrap returns the cause.
func (e uncheckedError) Unwrap() error { return e.error }

func runCheck(dirs []string, asJSON bool, out io.Writer, terminal *os.File) error {
	r := &checkReport{out: out, json: asJSON}
	o := check.Options{}
	if isTerminal(terminal) {
		bar := progressbar.NewOptions64(segmentBytes(dirs), progressbar.OptionSetWriter(terminal), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription("reading"), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		r.hide = func() { _ = bar.Clear() } // a bar that cannot be drawn is no reason to stop
		o.Progress = func(n int64) { _ = bar.Add64(n) }
	}
	total, err := check.Dirs(vfs.OS, dirs, o, r.finding)
	r.bar()
	if err != nil {
		return uncheckedError{err}
	}
	if err := r.end(total); err != nil {
		return uncheckedError{err}
	}
	if r.damaged > 0 {
		return errDamaged
	}
	return nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// segmentBytes is what there is to read, for the progress bar.
func segmentBytes(dirs []string) (total int64) {
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(p, segment.LogSuffix) {
				return nil //nolint:nilerr // the check itself says what cannot be read
			}
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
			return nil
		})
	}
	return total
}

// checkReport prints findings as they come.
type checkReport struct {
	out               io.Writer
	json              bool
	hide              func() // takes the progress bar off the terminal
	damaged, repaired int
	err               error
}

func (r *checkReport) bar() {
	if r.hide != nil {
		r.hide()
	}
}

func (r *checkReport) finding(f check.Finding) {
	if f.Repairable {
		r.repaired++
	} else {
		r.damaged++
	}
	r.bar()
	if !r.json {
		r.print(f.String())
		return
	}
	line := struct {
		File       string `json:"file"`
		Position   *int64 `json:"position,omitempty"`
		Problem    string `json:"problem"`
		Repairable bool   `json:"repairable"`
	}{File: f.Path, Problem: f.Problem, Repairable: f.Repairable}
	if f.Pos >= 0 {
		line.Position = &f.Pos
	}
	r.encode(line)
}

func (r *checkReport) encode(v any) {
	b, err := json.Marshal(v)
	r.err = errors.Join(r.err, err)
	r.print(string(b))
}

func (r *checkReport) print(line string) {
	if _, err := fmt.Fprintln(r.out, line); err != nil && r.err == nil {
		r.err = err
	}
}

// end prints what was read and found in all.
func (r *checkReport) end(t check.Totals) error {
	if r.json {
		r.encode(map[string]any{"partitions": t.Partitions, "segments": t.Segments, "batches": t.Batches, "records": t.Records, "bytes": t.Bytes,
			"damaged": r.damaged, "repairable": r.repaired})
		return r.err
	}
	read := fmt.Sprintf("%d partitions, %d segments, %d batches, %d records, %d bytes read", t.Partitions, t.Segments, t.Batches, t.Records, t.Bytes)
	switch {
	case r.damaged > 0:
		r.print(fmt.Sprintf("%d places are damaged, %d more are repaired by the next start; %s", r.damaged, r.repaired, read))
	case r.repaired > 0:
		r.print(fmt.Sprintf("nothing is damaged, %d places are repaired by the next start; %s", r.repaired, read))
	default:
		r.print("nothing is wrong; " + read)
	}
	return r.err
}
