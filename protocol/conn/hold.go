package conn

// Hold keeps a call back for news that may come: release is called at most once,
// from any goroutine, when the call should be answered after all: another request
// arrived behind it, the connection has ended, or the server stops. Hold returns
// false, and never calls release, when one of these has happened already. Who
// holds many calls (heartbeats) pays a pointer for each: there is no timer and no
// goroutine, and what ends the hold in time is the holder's.
//
// release may come at the very moment the call is finished elsewhere, as with Notify.
func (c *Call) Hold(release func()) bool { return c.Conn.hold(c, release) }

func (c *Conn) hold(call *Call, release func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.done || c.ended || c.finished || c.draining || c.waiting && call == c.queue[len(c.queue)-1] {
		return false
	}
	call.notify = func(Event) { release() }
	return true
}

// SetSoftware notes how the client called itself in its ApiVersions request
// (KIP-511). It and Software are for handlers, on the goroutine of Handle.
func (c *Conn) SetSoftware(name, version string) { c.software = [2]string{name, version} }

// Software is how the client called itself; empty if it has not on this connection.
func (c *Conn) Software() (name, version string) { return c.software[0], c.software[1] }
