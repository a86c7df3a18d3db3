package vfs

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

var locked sync.Map // path → struct{}; POSIX locks do not exclude the same process

func lockFile(f *os.File) error {
	if _, taken := locked.LoadOrStore(f.Name(), struct{}{}); taken {
		return ErrLocked
	}
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: 0}
	err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lk)
	if err == nil {
		return nil
	}
	locked.Delete(f.Name())
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrLocked
	}
	return err
}

func fallocate(*os.File, int64) error { return nil }

func space(name string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(name, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: name, Err: err}
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}

// forget has no counterpart here.
func forget(*os.File, int64, int64) error { return nil }
