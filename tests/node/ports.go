package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are looked for below the usual ephemeral range (from 32768 on), so that
// a port found free is not taken by an outgoing connection a moment later.
const firstPort, lastPort = 23000, 31999

// FreePorts returns n different ports of 127.0.0.1 on which nobody listens.
func FreePorts(n int) ([]int, error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	var ports []int
	for try := 0; len(ports) < n; try++ {
		if try > 1000 {
			return nil, errors.New("no free port on 127.0.0.1")
		}
		p := firstPort + rand.IntN(lastPort-firstPort+1)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			continue
		}
		held, ports = append(held, l), append(ports, p)
	}
	return ports, nil
}
