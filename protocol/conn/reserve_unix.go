//go:build unix

package conn

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Reservation is a TCP address that is bound but does not listen: nobody else
// can have it, and connecting to it is refused until Listen.
type Reservation struct {
	fd   int
	addr *net.TCPAddr
}

// Reserve binds host:port. A node reserves all its ports before it touches its
// disk, so that a busy port costs nothing, and opens the client port last.
// Port 0 is resolved at once (see Addr). An empty host means all interfaces.
func Reserve(address string) (*Reservation, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	fd, bound, err := bindTCP(addr)
	if err != nil {
		return nil, fmt.Errorf("bind %s: %w", address, err)
	}
	return &Reservation{fd: fd, addr: bound}, nil
}

func bindTCP(addr *net.TCPAddr) (int, *net.TCPAddr, error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(nil)
	if ip := addr.IP.To4(); ip != nil {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	} else {
		six := &unix.SockaddrInet6{Port: addr.Port}
		copy(six.Addr[:], addr.IP)
		sa = six
	}
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if family == unix.AF_INET6 && addr.IP == nil && err != nil {
		return bindTCP(&net.TCPAddr{IP: net.IPv4zero, Port: addr.Port}) // a host without IPv6
	}
	if err != nil {
		return -1, nil, os.NewSyscallError("socket", err)
	}
	bound, err := bindFD(fd, family, sa, addr)
	if err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, bound, nil
}

func bindFD(fd, family int, sa unix.Sockaddr, addr *net.TCPAddr) (*net.TCPAddr, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	if family == unix.AF_INET6 && addr.IP == nil { // all interfaces, of both families
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	got, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	out := &net.TCPAddr{IP: addr.IP, Zone: addr.Zone}
	switch got := got.(type) {
	case *unix.SockaddrInet4:
		out.Port = got.Port
	case *unix.SockaddrInet6:
		out.Port = got.Port
	}
	return out, nil
}

// Addr is the reserved address with its real port.
func (r *Reservation) Addr() *net.TCPAddr { return r.addr }

// minBacklog is the shortest queue of connections that wait to be accepted. The
// kernel drops what does not fit, and the client tries again after a second: with
// Kafka's default of 50 a group of a thousand members that start together takes
// seconds to connect. The queue costs nothing while it is empty.
const minBacklog = 1024

// Listen opens the port. backlog is socket.listen.backlog.size, minBacklog at
// least. The reservation is used up, also when Listen fails.
func (r *Reservation) Listen(backlog int) (net.Listener, error) {
	if err := unix.SetNonblock(r.fd, true); err != nil {
		unix.Close(r.fd)
		return nil, os.NewSyscallError("setnonblock", err)
	}
	if err := unix.Listen(r.fd, max(backlog, minBacklog)); err != nil {
		unix.Close(r.fd)
		return nil, fmt.Errorf("listen %s: %w", r.addr, os.NewSyscallError("listen", err))
	}
	f := os.NewFile(uintptr(r.fd), r.addr.String())
	defer f.Close() // FileListener works on a descriptor of its own
	return net.FileListener(f)
}

// Close gives the address back unopened.
func (r *Reservation) Close() error { return unix.Close(r.fd) }
