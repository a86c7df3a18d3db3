package image

import (
	"bytes"
	"slices"
	"sort"

	"github.com/tidwall/btree"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Security protocol ids as in registrations.
const (
	Plaintext     int16 = 0
	SSL           int16 = 1
	SASLPlaintext int16 = 2
	SASLSSL       int16 = 3
)

// Endpoint is one advertised listener.
type Endpoint struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16
}

// VersionRange is what a node supports of a feature, both ends included.
type VersionRange struct {
	Feature  string
	Min, Max int16
}

// Contains tells whether the node can run at that level.
func (r VersionRange) Contains(level int16) bool { return r.Min <= level && level <= r.Max }

// Broker is one broker's registration.
type Broker struct {
	ID ids.NodeID
	// Epoch is the offset of the record that registered this incarnation.
	Epoch int64
	// Incarnation is drawn by the process at start.
	Incarnation ids.UUID
	Endpoints   []Endpoint     // in the order registered
	Features    []VersionRange // sorted by name
	Rack        *string        // nil: none
	// Fenced brokers lead nothing and are in no ISR; clients do not see them.
	Fenced               bool
	InControlledShutdown bool
	// Directories are the online log directories, sorted (KIP-858).
	Directories []ids.DirectoryID
	// CordonedDirs take no new replica (KIP-1066). Nil while the broker did not
	// say, which is not the same as none.
	CordonedDirs []ids.DirectoryID
}

// Endpoint returns the advertised endpoint of a listener.
func (b *Broker) Endpoint(listener string) (Endpoint, bool) {
	for _, e := range b.Endpoints {
		if e.Name == listener {
			return e, true
		}
	}
	return Endpoint{}, false
}

// Active brokers may lead and take replicas.
func (b *Broker) Active() bool { return !b.Fenced && !b.InControlledShutdown }

// Controller is one controller's registration (KIP-919).
type Controller struct {
	ID               ids.NodeID
	Incarnation      ids.UUID
	ZKMigrationReady bool
	Endpoints        []Endpoint
	Features         []VersionRange
}

// Cluster are the registered nodes. The zero value is empty.
type Cluster struct {
	brokers     btree.Map[ids.NodeID, *Broker]
	controllers btree.Map[ids.NodeID, *Controller]
}

// Broker returns a registration, or nil.
func (c *Cluster) Broker(id ids.NodeID) *Broker {
	b, _ := c.brokers.Get(id)
	return b
}

// Controller returns a registration, or nil.
func (c *Cluster) Controller(id ids.NodeID) *Controller {
	b, _ := c.controllers.Get(id)
	return b
}

// EachBroker goes through all registered brokers by id, fenced ones too, until
// f returns false.
func (c *Cluster) EachBroker(f func(*Broker) bool) {
	c.brokers.Scan(func(_ ids.NodeID, b *Broker) bool { return f(b) })
}

// EachController goes through all registered controllers by id until f returns false.
func (c *Cluster) EachController(f func(*Controller) bool) {
	c.controllers.Scan(func(_ ids.NodeID, b *Controller) bool { return f(b) })
}

// Brokers and Controllers count the registrations.
func (c *Cluster) Brokers() int { return c.brokers.Len() }

// Controllers counts the registered controllers.
func (c *Cluster) Controllers() int { return c.controllers.Len() }

// IsEmpty tells whether nobody is registered.
func (c *Cluster) IsEmpty() bool { return c.Brokers() == 0 && c.Controllers() == 0 }

func rangesOf(features []records.BrokerFeature) []VersionRange {
	out := make([]VersionRange, len(features))
	for i, f := range features {
		out[i] = VersionRange{f.Name, f.MinSupportedVersion, f.MaxSupportedVersion}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Feature < out[j].Feature })
	return out
}

func (d *Delta) registerBroker(r *records.RegisterBrokerRecord) error {
	b := &Broker{
		ID: r.BrokerID, Epoch: r.BrokerEpoch, Incarnation: r.IncarnationID, Features: rangesOf(r.Features),
		Rack: r.Rack, Fenced: r.Fenced, InControlledShutdown: r.InControlledShutdown,
		Directories: sortedDirs(r.LogDirs), CordonedDirs: r.CordonedLogDirs,
	}
	for _, e := range r.EndPoints {
		b.Endpoints = append(b.Endpoints, Endpoint{e.Name, e.Host, e.Port, e.SecurityProtocol})
	}
	d.brokers.set(b.ID, b)
	return nil
}

func sortedDirs(dirs []ids.DirectoryID) []ids.DirectoryID {
	out := slices.Clone(dirs)
	slices.SortFunc(out, func(a, b ids.DirectoryID) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// registered finds a broker of exactly that epoch; records about another
// incarnation contradict the log.
func (d *Delta) registered(id ids.NodeID, epoch int64) (*Broker, error) {
	b, ok := d.brokers.get(id)
	if !ok {
		return nil, refuse("broker %d is not registered", id)
	}
	if b.Epoch != epoch {
		return nil, refuse("broker %d has epoch %d, not %d", id, b.Epoch, epoch)
	}
	return b, nil
}

func (d *Delta) unregisterBroker(r *records.UnregisterBrokerRecord) error {
	if _, err := d.registered(r.BrokerID, r.BrokerEpoch); err != nil {
		return err
	}
	d.brokers.remove(r.BrokerID)
	return nil
}

func (d *Delta) fence(id ids.NodeID, epoch int64, fenced bool) error {
	b, err := d.registered(id, epoch)
	if err != nil {
		return err
	}
	n := *b
	n.Fenced = fenced
	d.brokers.set(id, &n)
	return nil
}

func (d *Delta) changeRegistration(r *records.BrokerRegistrationChangeRecord) error {
	b, err := d.registered(r.BrokerID, r.BrokerEpoch)
	if err != nil {
		return err
	}
	if r.Fenced < -1 || r.Fenced > 1 || r.InControlledShutdown < 0 || r.InControlledShutdown > 1 {
		return refuse("broker %d: fenced %d, controlled shutdown %d", r.BrokerID, r.Fenced, r.InControlledShutdown)
	}
	n := *b
	if r.Fenced != 0 {
		n.Fenced = r.Fenced > 0
	}
	if r.InControlledShutdown == 1 {
		n.InControlledShutdown = true
	}
	if len(r.LogDirs) > 0 {
		n.Directories = sortedDirs(r.LogDirs)
	}
	if r.CordonedLogDirs != nil {
		n.CordonedDirs = r.CordonedLogDirs
	}
	d.brokers.set(b.ID, &n)
	return nil
}

func (d *Delta) registerController(r *records.RegisterControllerRecord) error {
	c := &Controller{ID: r.ControllerID, Incarnation: r.IncarnationID, ZKMigrationReady: r.ZKMigrationReady}
	for _, e := range r.EndPoints {
		c.Endpoints = append(c.Endpoints, Endpoint{e.Name, e.Host, e.Port, e.SecurityProtocol})
	}
	for _, f := range r.Features {
		c.Features = append(c.Features, VersionRange{f.Name, f.MinSupportedVersion, f.MaxSupportedVersion})
	}
	sort.Slice(c.Features, func(i, j int) bool { return c.Features[i].Feature < c.Features[j].Feature })
	d.controllers.set(c.ID, c)
	return nil
}
