// Package apikey is the one table of Kafka's request keys: name, versions,
// the listeners a key belongs to, the way a connection runs it, and whether
// gregor serves it yet. Everything that must agree about a key reads it here:
// the header parser (which versions exist), the connection (class), the
// dispatchers (served) and ApiVersions (what is advertised).
//
// Invariants: row i is key i; a key is served only on a listener it belongs
// to; the versions are exactly Apache Kafka 4.3.1's, never a part of them,
// because a client that sees a range believes all of it.
package apikey

import "strconv"

// Class says how a connection runs a request of this key.
type Class uint8

const (
	// Ordered: the next request of the connection starts after this reply.
	Ordered Class = iota
	// TwoStage: the next request may start as soon as the handler returned,
	// because by then the order of effects is fixed; replies keep the order.
	TwoStage
	// LongPoll: the reply may be held for long. The reader goes on and reads
	// one frame ahead, so that it notices a closed connection and a reason to
	// stop holding, but handles that frame only after this reply.
	LongPoll
)

// Listener is a kind of listener: the two roles serve different keys.
type Listener uint8

const (
	// Broker listeners are those of clients and of other brokers.
	Broker Listener = iota
	// Controller listeners are those of controller.listener.names.
	Controller
)

// where is a set of Listeners.
type where uint8

const (
	nowhere    where = 0
	broker     where = 1 << Broker
	controller where = 1 << Controller
	both             = broker | controller
)

func (w where) has(l Listener) bool { return w&(1<<l) != 0 }

// flag marks a key.
type flag uint8

const (
	clusterAction flag = 1 << iota
	forwardable
)

// Entry describes one key.
type Entry struct {
	Key  Key
	Name string // Kafka's name of the key, as in its metrics and logs
	// Min and Max are the lowest and highest version that exists. MaxStable is
	// the highest that is advertised unless unstable.api.versions.enable is set.
	Min, Max, MaxStable int16
	// Broker and Controller tell on which listeners Kafka has the key.
	Broker, Controller bool
	// ServedBroker and ServedController tell where gregor answers it.
	ServedBroker, ServedController bool
	Class                          Class
	// ClusterAction keys need the CLUSTER_ACTION right on the cluster.
	ClusterAction bool
	// Forwardable keys are passed on by brokers to the active controller.
	Forwardable bool
}

// Served tells whether gregor answers the key on listener l.
func (e Entry) Served(l Listener) bool {
	if l == Controller {
		return e.ServedController
	}
	return e.ServedBroker
}

// Exists tells whether version v of the key exists, stable or not.
func (e Entry) Exists(v int16) bool { return v >= e.Min && v <= e.Max }

// Enabled tells whether version v may be used: it exists, and it is stable
// unless unstable versions are enabled.
func (e Entry) Enabled(v int16, unstable bool) bool {
	return v >= e.Min && v <= e.highest(unstable)
}

func (e Entry) highest(unstable bool) int16 {
	if unstable {
		return e.Max
	}
	return e.MaxStable
}

// Lookup returns the entry of k, false for a number that is not assigned.
func Lookup(k Key) (Entry, bool) {
	if k < 0 || int(k) >= len(table) {
		return Entry{}, false
	}
	return table[k].entry(), true
}

// All returns every entry, by number.
func All() []Entry {
	out := make([]Entry, len(table))
	for i := range table {
		out[i] = table[i].entry()
	}
	return out
}

func (r *row) entry() Entry {
	return Entry{
		Key: r.key, Name: r.name, Min: r.min, Max: r.max, MaxStable: r.maxStable,
		Broker: r.listeners.has(Broker), Controller: r.listeners.has(Controller),
		ServedBroker: r.served.has(Broker), ServedController: r.served.has(Controller),
		Class:         r.class,
		ClusterAction: r.flags&clusterAction != 0,
		Forwardable:   r.flags&forwardable != 0,
	}
}

// String is the name of the key, or its number if it is not assigned.
func (k Key) String() string {
	if k < 0 || int(k) >= len(table) {
		return "ApiKey(" + strconv.Itoa(int(k)) + ")"
	}
	return table[k].name
}
