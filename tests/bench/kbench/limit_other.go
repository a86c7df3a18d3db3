//go:build !unix

package main

// raiseFileLimit has nothing to do where open files are not limited a process.
func raiseFileLimit(uint64) error { return nil }
