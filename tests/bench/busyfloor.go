package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// busyFloor is the work busy without a broker (kbench/floorack.go): what the disk
// of this machine alone adds to the latency of whoever shares its cores. On a
// virtual machine its host pays for a read or a flush with the time of our cores.
func busyFloor(b *bench) (figures, error) {
	dir, err := os.MkdirTemp("", "gregor-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cold := filepath.Join(dir, "cold")
	if err := os.WriteFile(cold, make([]byte, *mib<<20), 0o600); err != nil {
		return nil, err
	}
	awake := b.background("awake")
	out, err := takeTurns(func(working bool) (figures, []float64, error) { return b.floorTurn(dir, cold, working) })
	if _, failed := awake(); err != nil || failed != nil {
		return nil, errors.Join(err, failed)
	}
	fmt.Printf("%-8s busy %v\n", "floor", out)
	// Beside those of the other floors.
	return figures{"busy_quiet_p99_ms": out["quiet_p99_ms"], "busy_p99_ms": out["busy_p99_ms"], "busy_over_pct": out["over_pct"]}, nil
}

func (b *bench) floorTurn(dir, cold string, working bool) (f figures, acks []float64, err error) {
	if err := chillFile(cold); err != nil {
		return nil, nil, err
	}
	listen := filepath.Join(dir, "address")
	if err := os.RemoveAll(listen); err != nil {
		return nil, nil, err
	}
	args := []string{"-dir", dir, "-address", listen, "-mbps", "50"}
	if working {
		args = append(args, "-cold", cold)
	}
	stop := b.background("floor-ack", args...)
	defer func() {
		_, failed := stop()
		err = errors.Join(err, failed)
	}()
	addr, err := awaitFile(listen)
	if err != nil {
		return nil, nil, err
	}
	return b.paced(dir, "-b", addr, "-t", "floor")
}

// awaitFile returns the address that a process writes when it listens.
func awaitFile(name string) (string, error) {
	for range 500 {
		text, _ := os.ReadFile(name)
		if addr := strings.TrimSpace(string(text)); addr != "" {
			_, _, err := net.SplitHostPort(addr)
			return addr, err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", errors.New("the floor does not listen")
}
