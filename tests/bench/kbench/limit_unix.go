//go:build unix

package main

import (
	"fmt"
	"syscall"
)

// raiseFileLimit lets this process open n files, if the system allows it.
func raiseFileLimit(n uint64) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if l.Cur >= n {
		return nil
	}
	l.Cur = min(n, l.Max)
	if l.Cur < n {
		return fmt.Errorf("the limit of open files is %d, %d are needed", l.Max, n)
	}
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}
