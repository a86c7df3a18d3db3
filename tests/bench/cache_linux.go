package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropCache makes the kernel forget a file's pages; those not yet written are written first.
func dropCache(f *os.File) error {
	if err := f.Sync(); err != nil {
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
