package conn

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/protocol/apikey"
)

// FuzzServer feeds a connection whatever comes, in two pieces. Properties: the
// server neither panics nor hangs, and a shutdown in the middle of it leaves
// nothing behind.
func FuzzServer(f *testing.F) {
	f.Add(request(apikey.Metadata, 1, 1, 0, 0, 0, 0), 5)
	f.Add(append(produce(1, 10), produce(2, 3000)...), 100)
	f.Add(append(request(apikey.Fetch, 4, 1), request(apikey.ApiVersions, 99, 2, 0)...), 14)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 3)
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0, 3}, 2)
	f.Fuzz(func(t *testing.T, raw []byte, cut int) {
		l, dial := Pipe()
		s := NewServer(Options{RequestBytes: 1 << 20})
		var handled []int32
		go s.Serve(l, "FUZZ", HandlerFunc(func(c *Call) {
			handled = append(handled, c.Header.CorrelationID)
			if _, err := c.Request(); err != nil {
				c.Close(err)
				return
			}
			answer(c)
		}), Limits{MaxFrame: 1 << 20})
		c, err := dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		cut = min(max(cut, 0), len(raw))
		c.Write(raw[:cut])
		c.Write(raw[cut:])
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		go func() {
			io.Copy(io.Discard, c)
			c.Close()
		}()
		if err := s.Shutdown(ctx); err != nil {
			t.Fatalf("shutdown: %v; handled %v", err, handled)
		}
		if n := s.Counters().Open.Load(); n != 0 {
			t.Fatalf("%d connections left", n)
		}
	})
}
