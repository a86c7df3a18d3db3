package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// The floor is the least CPU that a broker can spend on this machine: a second
// process receives frames of 1 MiB over loopback, checksums them and appends
// them to a file, then sends the file back with sendfile. A broker that spends
// 1.4 times that has little left to save.

const (
	floorServerMode = "floor-server"
	floorFrame      = 1 << 20
)

func floor(_ context.Context, o options) error {
	cmd := exec.Command(os.Args[0], floorServerMode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", strings.TrimSpace(addr))
	if err != nil {
		return err
	}
	defer c.Close()
	pid, frames := cmd.Process.Pid, o.bytes/floorFrame
	used, start := cpu(pid), time.Now()
	if err := sendFrames(c, frames); err != nil {
		return err
	}
	in, inTime := cpu(pid)-used, time.Since(start)
	used, start = cpu(pid), time.Now()
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, c, frames*floorFrame); err != nil {
		return err
	}
	back, backTime := cpu(pid)-used, time.Since(start)
	gib := float64(frames) * floorFrame / (1 << 30)
	fmt.Printf("mode=floor gib=%.3f in_cpu_s_per_gib=%.3f in_MBps=%.1f out_cpu_s_per_gib=%.3f out_MBps=%.1f\n",
		gib, in/gib, gib*1073.741824/inTime.Seconds(), back/gib, gib*1073.741824/backTime.Seconds())
	return nil
}

// sendFrames sends the frames and an empty one, and waits for the word that all is written.
func sendFrames(c net.Conn, frames int64) error {
	buf := make([]byte, 4+floorFrame)
	binary.BigEndian.PutUint32(buf, floorFrame)
	for range frames {
		if _, err := c.Write(buf); err != nil {
			return err
		}
	}
	if _, err := c.Write([]byte{0, 0, 0, 0}); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func floorServer(context.Context, options) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	c, err := l.Accept()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp("", "kbench-floor-")
	if err != nil {
		return err
	}
	defer f.Close()
	// Gone from the folder at once: nothing is left behind however this ends.
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	n, err := receive(c, f)
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err = io.CopyN(c, f, n); err != nil { // sendfile on Linux
		return err
	}
	_, err = c.Read(make([]byte, 1)) // stay until the other side has read our CPU time
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func receive(c net.Conn, f *os.File) (n int64, err error) {
	buf, table := make([]byte, floorFrame), crc32.MakeTable(crc32.Castagnoli)
	var head [4]byte
	for {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return n, err
		}
		size := binary.BigEndian.Uint32(head[:])
		if size == 0 {
			_, err := c.Write([]byte{1})
			return n, err
		}
		if size > floorFrame {
			return n, fmt.Errorf("frame of %d bytes", size)
		}
		if _, err := io.ReadFull(c, buf[:size]); err != nil {
			return n, err
		}
		buf[0] = byte(crc32.Checksum(buf[:size], table))
		if _, err := f.Write(buf[:size]); err != nil {
			return n, err
		}
		n += int64(size)
	}
}
