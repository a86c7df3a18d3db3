package vfs

import (
	"os"

	"golang.org/x/sys/windows"
)

func lockFile(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if err == windows.ERROR_LOCK_VIOLATION {
		return ErrLocked
	}
	return err
}

func fallocate(*os.File, int64) error { return nil }

// syncDir: NTFS journals directory changes and offers no way to sync one.
func syncDir(string) error { return nil }

func space(name string) (free, total int64, err error) {
	p, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return 0, 0, err
	}
	var avail, all, ignored uint64
	if err := windows.GetDiskFreeSpaceEx(p, &avail, &all, &ignored); err != nil {
		return 0, 0, &os.PathError{Op: "space", Path: name, Err: err}
	}
	return int64(avail), int64(all), nil
}

// forget has no counterpart here.
func forget(*os.File, int64, int64) error { return nil }
