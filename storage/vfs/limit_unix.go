//go:build unix

package vfs

import (
	"math"

	"golang.org/x/sys/unix"
)

// MaxOpenFiles is how many files the process may have open, sockets included; 0 when nobody knows.
func MaxOpenFiles() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || uint64(l.Cur) > math.MaxInt32 {
		return 0
	}
	return int(l.Cur)
}
