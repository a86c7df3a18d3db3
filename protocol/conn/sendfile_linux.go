package conn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawOf returns access to the socket of a plain TCP connection, nil for others.
func rawOf(nc net.Conn) syscall.RawConn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// rawWriter runs one operation at a time on the socket. Its state lies in
// fields and its step function is made once, because closures given to RawConn
// would be allocated anew for every write.
type rawWriter struct {
	step func(fd uintptr) bool
	poll func(fd uintptr) bool // step that never waits
	conn *Conn
	bufs [][]byte // what send still has to send
	more int      // MSG_MORE while the reply goes on behind bufs
	msg  unix.Msghdr
	iov  [maxPieces]unix.Iovec
	file int
	off  int64
	left int // what sendFile still has to send
	sent int // what try has sent
	err  error
}

// maxSend is the most that one sendfile call is asked for. The call blocks its
// thread while the disk is read, so it must not be too much.
const maxSend = 1 << 20

// run makes one operation, waiting for the socket or not.
func (w *rawWriter) run(c *Conn, wait bool) error {
	if w.step == nil {
		w.conn, w.step, w.poll = c, w.once, w.single
	}
	w.err = nil
	step := w.step
	if !wait {
		step = w.poll
	}
	if err := c.raw.Write(step); err != nil {
		return err
	}
	return w.err
}

// single makes one attempt; a full socket is no error.
func (w *rawWriter) single(fd uintptr) bool {
	w.sent = 0
	n, err := w.sendmsg(int(fd))
	switch {
	case err == nil:
		w.sent = n
	case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
		w.err = os.NewSyscallError("sendmsg", err)
	}
	return true
}

// try writes what the socket takes of bufs without waiting.
func (w *rawWriter) try(c *Conn, bufs [][]byte) (int, error) {
	w.bufs = bufs
	err := w.run(c, false)
	w.bufs = nil
	return w.sent, err
}

// once works until all is sent (true) or the socket is full (false: called
// again when it has room).
func (w *rawWriter) once(fd uintptr) bool {
	for len(w.bufs) > 0 || w.left > 0 {
		err := w.one(int(fd))
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil:
			w.err = err
			return true
		default:
			w.conn.act.writeProgress()
		}
	}
	return true
}

func (w *rawWriter) one(fd int) error {
	if len(w.bufs) > 0 {
		n, err := w.sendmsg(fd)
		if err != nil {
			return os.NewSyscallError("sendmsg", err)
		}
		w.bufs = skip(w.bufs, n)
		return nil
	}
	n, err := unix.Sendfile(fd, w.file, &w.off, min(w.left, maxSend))
	if err != nil {
		return os.NewSyscallError("sendfile", err)
	}
	if n == 0 {
		return fmt.Errorf("sendfile at %d, %d bytes left: %w", w.off, w.left, io.ErrUnexpectedEOF)
	}
	w.left -= n
	return nil
}

// send writes bufs. more tells the kernel that the reply goes on at once.
func (w *rawWriter) send(c *Conn, bufs [][]byte, more bool) error {
	w.bufs = bufs
	if more {
		w.more = unix.MSG_MORE
	}
	err := w.run(c, true)
	w.bufs, w.more = nil, 0
	return err
}

// maxPieces is how many pieces of a small write need no memory of their own.
const maxPieces = 8

// sendmsg makes one system call for bufs. A small one is made behind the
// scheduler's back: it never sleeps, and telling the scheduler costs more than
// the call: an idle process has its monitor thread woken each time.
func (w *rawWriter) sendmsg(fd int) (int, error) {
	flags := w.more | unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	size := 0
	for i, b := range w.bufs {
		if size += len(b); size > copyBelow || i == maxPieces {
			return unix.SendmsgBuffers(fd, w.bufs, nil, nil, flags)
		}
		w.iov[i].Base = unsafe.SliceData(b)
		w.iov[i].SetLen(len(b))
	}
	w.msg.Iov = &w.iov[0]
	w.msg.SetIovlen(len(w.bufs))
	n, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&w.msg)), uintptr(flags))
	clear(w.iov[:len(w.bufs)])
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// rawReader reads from the socket of a plain TCP connection, like sendmsg
// without a word to the scheduler.
type rawReader struct {
	step func(fd uintptr) bool
	p    []byte
	n    int
	err  error
}

// read waits for bytes and reads at most len(p) of them, which must be few.
func (r *rawReader) read(raw syscall.RawConn, p []byte) (int, error) {
	if r.step == nil {
		r.step = r.once
	}
	r.p, r.n, r.err = p, 0, nil
	if err := raw.Read(r.step); err != nil {
		return 0, err
	}
	return r.n, r.err
}

// once is called again when there is something to read as long as it returns false.
func (r *rawReader) once(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(r.p))), uintptr(len(r.p)))
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			return false
		case errno != 0:
			r.err = os.NewSyscallError("read", errno)
		case n == 0:
			r.err = io.EOF
		default:
			r.n = int(n)
		}
		return true
	}
}

// sendFile sends a region from the page cache to the socket without a copy
// through this process.
func (w *rawWriter) sendFile(c *Conn, r Region) error {
	w.file, w.off, w.left = int(r.File.Fd()), r.Off, r.Len
	err := w.run(c, true)
	w.left = 0
	return err
}
