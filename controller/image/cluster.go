package image

import (
	"github.com/tidwall/btree"

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
	// CordonedDirs ⊆ Directories take no new replica (KIP-1066).
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

func (c *Cluster) copy() *Cluster {
	return &Cluster{brokers: *c.brokers.Copy(), controllers: *c.controllers.Copy()}
}
