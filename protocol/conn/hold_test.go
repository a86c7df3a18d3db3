package conn

import (
	"context"
	"net"
	"testing"

	"github.com/gregorbroker/gregor/protocol/apikey"
)

// A held heartbeat is let go by whatever happens to its connection, once.
func TestHoldEndsWithWhateverComesNext(t *testing.T) {
	for name, act := range map[string]func(*Server, net.Conn){
		"another request": func(_ *Server, c net.Conn) { c.Write(request(apikey.OffsetCommit, 2, 2)) },
		"half closed":     func(_ *Server, c net.Conn) { c.(*net.TCPConn).CloseWrite() },
		"closed":          func(_ *Server, c net.Conn) { c.Close() },
		"shutdown":        func(s *Server, _ net.Conn) { go s.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			held, released := make(chan *Call, 1), make(chan *Call, 2)
			srv, dial := serve(t, HandlerFunc(func(c *Call) {
				if c.Header.Key != apikey.Heartbeat {
					answer(c)
					return
				}
				if !c.Hold(func() { released <- c }) {
					t.Error("not held")
				}
				held <- c
			}), Limits{}, Options{})
			c := dial()
			c.Write(request(apikey.Heartbeat, 0, 1))
			call := <-held
			select {
			case <-released:
				t.Fatal("let go for nothing")
			default:
			}
			act(srv, c)
			if <-released != call {
				t.Fatal("another call was let go")
			}
			if call.Hold(func() { t.Error("let go twice") }) {
				t.Fatal("held again, with the same reason to answer")
			}
			answer(call)
		})
	}
}
