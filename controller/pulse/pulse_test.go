package pulse

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// line is a connection that ends when told to.
type line struct {
	mu    sync.Mutex
	f     func()
	ended bool
}

func (l *line) OnEnd(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.f = f
	if l.ended {
		go f()
	}
}

func (l *line) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.f != nil {
		l.f()
	}
}

// town is a watch, the ports it can knock at, and whom it took for dead.
type town struct {
	*Watch
	mu    sync.Mutex
	ports map[string]error // nil: accepts
	img   *image.Image
	dead  []registration
}

func newTown(t *testing.T, epochs ...int64) *town {
	n := &town{ports: map[string]error{"b:1": nil, "b:2": nil, "c:2": nil}}
	n.register(t, epochs...)
	n.Watch = New(Options{Self: 1, Image: func() *image.Image { return n.img },
		Voter: func(id ids.NodeID) []string {
			if id == 2 {
				return []string{"c:2"}
			}
			return nil
		},
		Dead: func(id ids.NodeID, epoch int64) { n.dead = append(n.dead, registration{id, epoch}) },
		Dial: func(_ context.Context, addr string) (net.Conn, error) {
			n.mu.Lock()
			defer n.mu.Unlock()
			err, ok := n.ports[addr]
			if !ok {
				err = syscall.ECONNREFUSED
			}
			if err != nil {
				return nil, &net.OpError{Op: "dial", Err: err}
			}
			c, _ := net.Pipe()
			return c, nil
		}})
	t.Cleanup(n.Close)
	return n
}

// register makes the image: broker i+1 with epoch epochs[i].
func (n *town) register(t *testing.T, epochs ...int64) {
	d := image.NewDelta(image.Empty())
	for i, e := range epochs {
		id := ids.NodeID(i + 1)
		err := d.Replay(&records.RegisterBrokerRecord{BrokerID: id, BrokerEpoch: e, IncarnationID: ids.UUID{byte(i), byte(e)}, EndPoints: []records.BrokerEndpoint{{Name: "P", Host: "b", Port: uint16(id)}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	n.img = d.Apply(image.Provenance{})
}

func (n *town) port(addr string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports[addr] = err
}

func TestOnlyAClosedLineWithARefusingPortIsDeath(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(t *testing.T, n *town, l *line)
		dead bool
	}{
		{"killed", func(_ *testing.T, n *town, l *line) { n.port("b:2", syscall.ECONNREFUSED); l.end() }, true},
		{"the line was reset, the port accepts", func(_ *testing.T, n *town, l *line) { l.end() }, false},
		{"the line was reset, and it died before its next heartbeat", func(_ *testing.T, n *town, l *line) {
			l.end()
			time.Sleep(time.Second)
			n.port("b:2", syscall.ECONNREFUSED)
		}, true},
		{"the line was reset, and it died when it had sent a heartbeat on another", func(_ *testing.T, n *town, l *line) {
			l.end()
			time.Sleep(time.Second)
			again := &line{}
			n.Heard(again, 2, 7)
			time.Sleep(10 * time.Second)
			n.port("b:2", syscall.ECONNREFUSED)
			again.end()
		}, true},
		{"the line was reset, and its port refuses while it has another", func(_ *testing.T, n *town, l *line) {
			l.end()
			time.Sleep(time.Second)
			n.Heard(&line{}, 2, 7)
			n.port("b:2", syscall.ECONNREFUSED)
		}, false},
		{"the host is silent", func(_ *testing.T, n *town, l *line) { n.port("b:2", context.DeadlineExceeded); l.end() }, false},
		{"the port refuses, the line is open", func(_ *testing.T, n *town, l *line) { n.port("b:2", syscall.ECONNREFUSED) }, false},
		{"another line is open", func(_ *testing.T, n *town, l *line) {
			n.port("b:2", syscall.ECONNREFUSED)
			n.Heard(&line{}, 2, 7)
			l.end()
		}, false},
		{"it came back with another epoch", func(t *testing.T, n *town, l *line) {
			n.register(t, 5, 9)
			n.Heard(&line{}, 2, 9)
			n.port("b:2", syscall.ECONNREFUSED)
			l.end()
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, l := newTown(t, 5, 7), &line{}
				n.Heard(l, 2, 7)
				time.Sleep(2 * time.Second) // of the bubble: the listener is looked for
				c.then(t, n, l)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if dead := len(n.dead) == 1; dead != c.dead || dead && n.dead[0] != (registration{2, 7}) {
					t.Errorf("dead: %v", n.dead)
				}
				n.Close()
			})
		})
	}
}

// A port that never accepted from here says nothing by refusing: only clients may be let
// through to it, or the broker has not opened it yet.
func TestAPortThatNeverAcceptedSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, l := newTown(t, 5, 7), &line{}
		n.port("b:2", syscall.ECONNREFUSED)
		n.Heard(l, 2, 7)
		time.Sleep(2 * time.Second)
		l.end()
		synctest.Wait()
		if len(n.dead) > 0 {
			t.Errorf("dead: %v", n.dead)
		}
		n.Close()
	})
}

// Who is killed before its port was ever reached is noticed, too.
func TestDeathBeforeTheFirstMeeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, l := newTown(t, 5, 7), &line{}
		n.port("b:2", syscall.ECONNREFUSED)
		n.Heard(l, 2, 7)
		l.end()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(n.dead) != 1 {
			t.Errorf("dead: %v", n.dead)
		}
		n.Close()
	})
}

// Heartbeats of nobody, of an old life and of the own process are not followed.
func TestStrangersAreNotWatched(t *testing.T) {
	n := newTown(t, 5, 7)
	n.Heard(&line{}, 1, 5)
	n.Heard(&line{}, 2, 6)
	n.Heard(&line{}, 3, 1)
	if len(n.lines)+len(n.brokers) > 0 {
		t.Errorf("watched: %v %v", n.lines, n.brokers)
	}
}

// A line that ended before it was noted ends at once.
// TestAHeartbeatOfAFormerLife: it was under way when the broker registered again, and looked at
// the image before that. It neither counts as a line of the new life nor keeps it from being met.
func TestAHeartbeatOfAFormerLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, 1, 9)
		latest, now := n.img, &line{}
		n.port("b:2", context.DeadlineExceeded) // not open yet
		n.Heard(now, 2, 9)
		time.Sleep(10 * time.Second)
		n.port("b:2", nil)
		n.register(t, 1, 7)
		n.Heard(&line{}, 2, 7)
		n.img = latest
		synctest.Wait()
		n.Heard(now, 2, 9)
		synctest.Wait()
		n.port("b:2", syscall.ECONNREFUSED)
		now.end()
		synctest.Wait()
		if len(n.dead) != 1 || n.dead[0] != (registration{2, 9}) {
			t.Errorf("dead: %v", n.dead)
		}
	})
}

func TestALineThatEndedAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, l := newTown(t, 5, 7), &line{}
		n.Heard(&line{}, 2, 7)
		time.Sleep(2 * time.Second)
		for other := range n.lines {
			other.(*line).end()
		}
		n.port("b:2", syscall.ECONNREFUSED)
		l.end()
		n.Heard(l, 2, 7)
		synctest.Wait()
		if len(n.dead) != 1 {
			t.Errorf("dead: %v", n.dead)
		}
		n.Close()
	})
}

// A new active controller takes the broker of a dead voter for dead when both its
// listeners refuse, and no other.
func TestNewActiveControllerFindsTheBrokerOfADeadVoter(t *testing.T) {
	refused := error(syscall.ECONNREFUSED)
	for _, c := range []struct {
		broker, voter error
		dead          bool
	}{{refused, refused, true}, {refused, nil, false}, {nil, refused, false}, {refused, errors.New("no route"), false}} {
		synctest.Test(t, func(t *testing.T) {
			n := newTown(t, 5, 7, 8) // 3 is no voter
			n.port("b:2", c.broker)
			n.port("c:2", c.voter)
			n.port("b:3", refused)
			n.Led(n.img)
			synctest.Wait()
			if dead := len(n.dead) == 1; dead != c.dead || dead && n.dead[0].id != 2 {
				t.Errorf("%v: dead %v", c, n.dead)
			}
			n.Close()
		})
	}
}
