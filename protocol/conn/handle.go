package conn

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/gregorbroker/gregor/protocol/frame"
	"go.uber.org/zap"
)

// handle runs the handler. A panic is a bug in it: it is logged with its stack
// and costs the connection, not the process, unless it is a broken invariant,
// after which going on could damage data.
func (c *Conn) handle(call *Call) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if s, ok := p.(string); ok && strings.HasPrefix(s, "invariant: ") {
			panic(p)
		}
		c.srv.counters.Panics.Add(1)
		c.srv.log.Error("handler panicked; closing its connection", zap.Stringer("key", call.Header.Key),
			zap.Int16("version", call.Header.Version), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
		c.end(fmt.Errorf("panic in handler of %v: %v", call.Header.Key, p))
		c.srv.budget.release(call.claimed.Swap(0)) // nobody may be left to finish it
	}()
	if call.Header.IsUnknownApiVersions() { // a client newer than we are asks what we speak
		call.Header.Version = 0
		call.Reply(frame.UnsupportedApiVersions())
		return
	}
	c.ln.handler.Handle(call)
}
