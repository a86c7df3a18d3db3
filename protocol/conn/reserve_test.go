//go:build unix

package conn

import (
	"net"
	"testing"
)

func TestReserveHoldsThePortButRefusesClients(t *testing.T) {
	r, err := Reserve("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := r.Addr().String()
	if r.Addr().Port == 0 {
		t.Fatal("port 0 was not resolved")
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Fatal("a reserved port accepted a connection")
	}
	l, err := r.Listen(50)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Reserve(addr); err == nil {
		t.Fatal("a listening port was reserved again")
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
