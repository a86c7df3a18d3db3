//go:build !linux

package conn

import (
	"net"
	"syscall"
)

// rawOf returns nil: regions are copied through this process.
func rawOf(net.Conn) syscall.RawConn { return nil }

// rawWriter is never used where rawOf returns nil.
type rawWriter struct{}

func (rawWriter) send(*Conn, [][]byte, bool) error { panic("conn: no raw writes on this system") }
func (rawWriter) sendFile(*Conn, Region) error     { panic("conn: no raw writes on this system") }

func (rawWriter) try(*Conn, [][]byte) (int, error) {
	panic("conn: no raw writes on this system")
}

// rawReader is never used where rawOf returns nil.
type rawReader struct{}

func (rawReader) read(syscall.RawConn, []byte) (int, error) {
	panic("conn: no raw reads on this system")
}
