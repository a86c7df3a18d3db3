//go:build !unix

package conn

import "net"

// Reservation is a TCP address that nobody else can have. Where binding cannot
// be told from listening it listens from the start: early clients wait in the
// backlog until the node is ready, instead of being refused.
type Reservation struct{ l net.Listener }

// Reserve binds host:port; port 0 is resolved at once (see Addr).
func Reserve(address string) (*Reservation, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return &Reservation{l}, nil
}

// Addr is the reserved address with its real port.
func (r *Reservation) Addr() *net.TCPAddr { return r.l.Addr().(*net.TCPAddr) }

// Listen opens the port; the system chooses the backlog.
func (r *Reservation) Listen(int) (net.Listener, error) { return r.l, nil }

// Close gives the address back unopened.
func (r *Reservation) Close() error { return r.l.Close() }
