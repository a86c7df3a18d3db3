package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// What keeps a folder from being used is told with what to do, in one line.
func TestFoldersThatCannotBeUsed(t *testing.T) {
	file := formatted(t)
	data := filepath.Join(filepath.Dir(file), "data")
	refused := func(want string, overrides ...string) {
		t.Helper()
		args := []string{"server", file}
		for _, o := range overrides {
			args = append(args, "--override", o)
		}
		if said := gregor(t, nil, args...).ends(1); !strings.Contains(said, want) || strings.Count(said, "\n") != 1 {
			t.Errorf("with %v it said %q, want one line with %q", overrides, said, want)
		}
	}
	refused("--ignore-formatted", "log.dirs="+data+","+data+"2")
	refused("run gregor format", "log.dirs="+data+"2")
	refused("belongs to node 1, but node.id is 2: correct node.id", "node.id=2")

	lock, err := vfs.OS.Lock(filepath.Join(data, ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	locked := data + " is locked, it is in use by another process: stop the server"
	refused(locked)
	refused(locked, "process.roles=controller", "listeners=CONTROLLER://127.0.0.1:0")
}

// The operating system's reasons, in the wrapping they come in.
func TestCureOfWhatTheSystemSays(t *testing.T) {
	for cause, want := range map[error]string{
		syscall.EACCES: "open /d/.lock: permission denied: the user that runs gregor must own",
		syscall.EROFS:  "open /d/.lock: read-only file system: mount it",
		syscall.EMFILE: "open /d/.lock: too many open files: raise the number of files",
		syscall.ENOSPC: "open /d/.lock: no space left on device: make room",
		syscall.EIO:    "the log directory is offline: /d is in use by another process: open /d/.lock: input/output error",
	} {
		err := cure("/d", fmt.Errorf("%w: /d is in use by another process: %w", logdir.ErrOffline, &fs.PathError{Op: "open", Path: "/d/.lock", Err: cause}))
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %q, want %q…", cause, err, want)
		}
	}
	if os.Getuid() == 0 {
		return // root may read everything
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "meta.properties"), nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := logdir.ReadMeta(vfs.OS, dir); !strings.Contains(cure(dir, err).Error(), "must own the folder") {
		t.Error(cure(dir, err))
	}
}
