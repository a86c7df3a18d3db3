//go:build !linux

package main

import "os"

// dropCache does nothing where the page cache takes no advice.
func dropCache(*os.File) error { return nil }
