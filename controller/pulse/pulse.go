// Package pulse notices that the process of a broker has ended, at once instead
// of after a session without heartbeats.
//
// A process that ends on a living host shows itself twice: its connections close, and
// its ports refuse new ones. Either alone says little. A connection also breaks
// by a reset, a firewall's timeout, or because the broker found another controller; and a port
// refuses before the broker opens it, or always, where only clients are let through to the
// address that it advertises. So:
//
//	heartbeat on a new line ─▶ the image has this broker, with this epoch?
//	                           dial its listeners: those that accept are known to be open from here
//	                           (one that closes its line before any of them accepted has died, too)
//	last line of it closed  ─▶ dial the known ones: all refuse? ─▶ Options.Dead
//	                           one accepts? again and again, until there is a new line
//
// It is asked again because a process may close its connections before its ports, and may
// die between a connection that broke and the heartbeat on the next. Anything else than a
// refusal in the end, silence for one, leaves it to the session timeout.
//
// A new active controller has no lines yet. The broker that most likely died with its
// predecessor is the one of the same process: Led dials every broker, and takes
// one for dead if its listeners refuse and so does the listener of the voter of the
// same id, which the quorum knows to be open.
//
// Invariants:
//   - Dead is told with the epoch of the registration whose lines closed. A
//     process that came back has another, and is not meant.
//   - A broker of which any line is open is not taken for dead.
//   - Nothing waits: dialling has goroutines of its own, one a broker.
package pulse

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Line is a connection on which a broker sends heartbeats; *conn.Conn is one.
type Line interface {
	// OnEnd has f called once when the connection has ended, at once if it has already.
	OnEnd(f func())
}

// Options of a Watch. Image and Dead are required.
type Options struct {
	Self  ids.NodeID // its own broker ends with it and is not watched
	Image func() *image.Image
	// Voter lists the addresses of the quorum's voter with this id, none if it is no voter; may be nil.
	Voter func(ids.NodeID) []string
	// Dead is told of a broker whose process has ended. It must not wait.
	Dead func(id ids.NodeID, epoch int64)
	Dial func(ctx context.Context, addr string) (net.Conn, error) // nil = TCP
}

// Watch is safe for concurrent use.
type Watch struct {
	o    Options
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex // a leaf
	closed  bool
	lines   map[Line]registration
	brokers map[ids.NodeID]*broker
}

// registration is one life of a broker.
type registration struct {
	id    ids.NodeID
	epoch int64
}

type broker struct {
	epoch  int64
	lines  int
	open   []string // addresses that have accepted
	asking bool     // somebody dials
	tries  int      // how often its listeners were looked for
}

// maxTries: a broker none of whose listeners can be reached from here is left to its session.
const maxTries = 10

// New makes a Watch.
func New(o Options) *Watch {
	if o.Voter == nil {
		o.Voter = func(ids.NodeID) []string { return nil }
	}
	if o.Dial == nil {
		var d net.Dialer
		o.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	w := &Watch{o: o, lines: map[Line]registration{}, brokers: map[ids.NodeID]*broker{}}
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// Close ends the watch and waits for what is under way.
func (w *Watch) Close() {
	w.stop()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.work.Wait()
}

// Heard notes that a line carried a heartbeat of a registered broker. What is no
// broker of the image, or not of this epoch, is not noted.
func (w *Watch) Heard(l Line, id ids.NodeID, epoch int64) {
	r := registration{id, epoch}
	known := w.o.Image().Cluster.Broker(id)
	if id == w.o.Self || known == nil || known.Epoch != epoch {
		return
	}
	w.mu.Lock()
	fresh := w.note(l, r)
	b := w.brokers[id]
	ask := b.epoch == epoch && b.open == nil && !b.asking && b.tries < maxTries && w.begin()
	if ask {
		b.asking, b.tries = true, b.tries+1
	}
	w.mu.Unlock()
	if fresh {
		l.OnEnd(func() { w.ended(l) })
	}
	if ask {
		go w.meet(r, addresses(known))
	}
}

// note files a line under its broker and tells whether it is new. Callers hold mu.
func (w *Watch) note(l Line, r registration) (fresh bool) {
	was, known := w.lines[l]
	if known && was == r && w.brokers[r.id] != nil && w.brokers[r.id].epoch == r.epoch {
		return false
	}
	if known {
		w.letGo(was)
	}
	if b := w.brokers[r.id]; b == nil || b.epoch < r.epoch {
		w.brokers[r.id] = &broker{epoch: r.epoch}
	}
	w.lines[l] = r
	if b := w.brokers[r.id]; b.epoch == r.epoch { // else it was let in by an image that is old by now
		b.lines++
	}
	return !known
}

// letGo uncounts a line and tells whether it was the broker's last. Callers hold mu.
func (w *Watch) letGo(r registration) (last bool) {
	b := w.brokers[r.id]
	if b == nil || b.epoch != r.epoch {
		return false
	}
	b.lines--
	return b.lines == 0
}

// begin counts work that goes on elsewhere, unless the watch is closed. Callers hold mu.
func (w *Watch) begin() bool {
	if !w.closed {
		w.work.Add(1)
	}
	return !w.closed
}

// meetings are the pauses between the attempts to reach a broker's listeners: it
// opens them shortly after it was unfenced, which is shortly after its first heartbeats.
var meetings = []time.Duration{0, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second}

// meet finds out which listeners of a broker can be reached from here.
func (w *Watch) meet(r registration, addrs []string) {
	defer w.work.Done()
	var open []string
	refused := len(addrs) > 0 // by all, each time
	for _, wait := range meetings {
		if len(open) > 0 || !w.rest(wait) {
			break
		}
		for _, a := range addrs {
			answer := w.knock(a)
			if answer == accepts {
				open = append(open, a)
			}
			refused = refused && answer == refuses
		}
	}
	w.met(r, open, refused)
}

// met files what meet found. If the broker's line closed meanwhile, it is looked at now. A
// broker that refused all the time and is gone has died young.
func (w *Watch) met(r registration, open []string, refused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.brokers[r.id]
	if b == nil || b.epoch != r.epoch {
		return
	}
	b.asking, b.open = false, open
	young := b.tries == 1 && refused
	if b.lines > 0 || !young && len(open) == 0 || !w.begin() {
		return
	}
	if young {
		open = addresses(w.o.Image().Cluster.Broker(r.id))
	}
	go w.examine(r, open)
}

func (w *Watch) rest(d time.Duration) bool {
	if d == 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.ctx.Done():
		return false
	}
}

func (w *Watch) ended(l Line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.lines[l]
	delete(w.lines, l)
	if !w.letGo(r) {
		return
	}
	if open := w.brokers[r.id].open; len(open) > 0 && w.begin() {
		go w.examine(r, open)
	}
}

// doubts are the pauses between the looks at a broker whose last line closed and whose port
// accepts: together longer than the usual interval of heartbeats, which tell that it lives.
var doubts = []time.Duration{0, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, time.Second, time.Second}

// examine looks at a broker whose last line closed.
func (w *Watch) examine(r registration, addrs []string) {
	defer w.work.Done()
	found := accepts
	for _, wait := range doubts {
		if found != accepts || !w.rest(wait) || !w.gone(r) {
			break
		}
		found = w.ask(addrs)
	}
	if found == refuses {
		w.bury(r)
	}
}

// gone tells whether a broker has no line.
func (w *Watch) gone(r registration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.brokers[r.id]
	return b != nil && b.epoch == r.epoch && b.lines == 0
}

// bury tells of a broker that is dead, unless it has a line again.
func (w *Watch) bury(r registration) {
	w.mu.Lock()
	b := w.brokers[r.id]
	dead := b != nil && b.epoch == r.epoch && b.lines == 0 && !w.closed
	if dead {
		delete(w.brokers, r.id)
	}
	w.mu.Unlock()
	if dead {
		w.o.Dead(r.id, r.epoch)
	}
}

// Led is called by a new active controller with the committed image.
func (w *Watch) Led(img *image.Image) {
	img.Cluster.EachBroker(func(b *image.Broker) bool {
		w.mu.Lock()
		ask := !b.Fenced && b.ID != w.o.Self && w.begin()
		w.mu.Unlock()
		if ask {
			go w.inherit(registration{b.ID, b.Epoch}, addresses(b))
		}
		return true
	})
}

// inherit looks at a broker of the former active controller.
func (w *Watch) inherit(r registration, addrs []string) {
	defer w.work.Done()
	voter := w.o.Voter(r.id)
	if len(voter) == 0 || w.ask(addrs) != refuses || w.ask(voter) != refuses {
		return
	}
	w.mu.Lock()
	b := w.brokers[r.id]
	dead := !w.closed && (b == nil || b.lines == 0 && b.epoch == r.epoch)
	w.mu.Unlock()
	if dead {
		w.o.Dead(r.id, r.epoch)
	}
}

// ask knocks at addresses until one does not refuse, which is the answer. No addresses are silent.
func (w *Watch) ask(addrs []string) answer {
	found := silent
	for _, a := range addrs {
		if found = w.knock(a); found != refuses {
			break
		}
	}
	return found
}

type answer uint8

const (
	silent answer = iota // or anything else that says nothing
	accepts
	refuses
)

// knockTimeout is short: whoever does not answer a dial is judged by its session.
const knockTimeout = time.Second

func (w *Watch) knock(addr string) answer {
	ctx, cancel := context.WithTimeout(w.ctx, knockTimeout)
	defer cancel()
	c, err := w.o.Dial(ctx, addr)
	switch {
	case err == nil:
		c.Close()
		return accepts
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return refuses
	}
	return silent
}

func addresses(b *image.Broker) []string {
	if b == nil {
		return nil
	}
	out := make([]string, 0, len(b.Endpoints))
	for _, e := range b.Endpoints {
		out = append(out, net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))))
	}
	return out
}
