package main

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// awake keeps the cores from halting until it is interrupted, with one thread
// each that anybody else's work takes the core from at once (SCHED_IDLE). On a
// virtual machine a halted core comes back when its host finds the time, which
// takes milliseconds, and a latency would be the host's.
func awake(ctx context.Context, _ options) error {
	errs := make(chan error, runtime.NumCPU())
	var wg sync.WaitGroup
	runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	for range runtime.NumCPU() {
		wg.Go(func() {
			runtime.LockOSThread()
			if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
				errs <- err
				return
			}
			for ctx.Err() == nil {
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}
