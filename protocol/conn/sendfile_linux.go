package conn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

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
	bufs [][]byte // what sendMore still has to send
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
	n, err := unix.SendmsgBuffers(int(fd), w.bufs, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
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
		n, err := unix.SendmsgBuffers(fd, w.bufs, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
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

// sendMore writes bufs and tells the kernel that more follows at once.
func (w *rawWriter) sendMore(c *Conn, bufs [][]byte) error {
	w.bufs = bufs
	err := w.run(c, true)
	w.bufs = nil
	return err
}

// sendFile sends a region from the page cache to the socket without a copy
// through this process.
func (w *rawWriter) sendFile(c *Conn, r Region) error {
	w.file, w.off, w.left = int(r.File.Fd()), r.Off, r.Len
	err := w.run(c, true)
	w.left = 0
	return err
}
