//go:build !linux

package main

import "context"

// awake does nothing where no thread can be told to run only when nobody else wants to.
func awake(ctx context.Context, _ options) error {
	<-ctx.Done()
	return nil
}
