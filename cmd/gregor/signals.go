package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// sameSignal is how far apart two signals may be that mean one; who presses a key
// twice takes longer.
const sameSignal = 250 * time.Millisecond

// stopOnSignal returns a context that SIGTERM, SIGINT and SIGHUP end, as they end
// a JVM: with a clean shutdown, also of a start that is still under way. A second
// one ends the process at once, but for one that comes within a moment: timeout(1)
// and others like it tell the process and then its group. Under nohup SIGHUP stays
// ignored.
//
// SIGQUIT prints what every goroutine is at and changes nothing, as a JVM prints
// its threads; SIGPIPE is no reason to end: who reads the log may go, and the node
// has data to close. forget restores what the signals did before.
func stopOnSignal(parent context.Context, log *zap.Logger) (ctx context.Context, forget func()) {
	ctx, cancel := context.WithCancel(parent)
	stop, quit, done := make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(stop, syscall.SIGHUP)
	}
	signal.Notify(quit, syscall.SIGQUIT)
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		var told time.Time
		for {
			select {
			case sig := <-stop:
				if ctx.Err() != nil && time.Since(told) < sameSignal {
					continue
				}
				if ctx.Err() != nil {
					log.Warn("Second signal: ending at once, without a clean shutdown", zap.Stringer("signal", sig))
					os.Exit(1)
				}
				log.Info("Shutting down", zap.Stringer("signal", sig))
				told = time.Now()
				cancel()
			case <-quit:
				_, _ = os.Stderr.Write(goroutines()) // there is nobody else to tell
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(stop)
		signal.Stop(quit)
		signal.Reset(syscall.SIGPIPE)
		close(done)
		cancel()
	}
}

// maxDump bounds what SIGQUIT prints.
const maxDump = 64 << 20

// goroutines is the stack of every goroutine.
func goroutines() []byte {
	for size := 1 << 20; ; size *= 2 {
		b := make([]byte, size)
		if n := runtime.Stack(b, true); n < size || size >= maxDump {
			return b[:n]
		}
	}
}
