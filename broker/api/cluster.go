package api

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Cluster is what handlers know of the cluster: the newest image, and views of
// it that are made once an image and listener.
type Cluster struct {
	ID string
	// Image returns the newest image the broker has applied; never nil.
	Image func() *image.Image
	// KRaftVersion returns the finalized kraft.version, which no image has; nil
	// for level 0.
	KRaftVersion func() int16

	views sync.Map // listener → *view
	full  atomic.Pointer[fullAnswers]
}

// view is a cluster as the clients of one listener see it. It never changes.
type view struct {
	cluster *image.Cluster // what it was made of
	// dense[id] is the node with that id, for the small ids that all clusters
	// use; looking brokers up is most of the work of a large answer. sparse has
	// the others.
	dense  []*node
	sparse map[ids.NodeID]*node
	alive  []*node      // unfenced and reachable through the listener, by id
	active []ids.NodeID // unfenced
}

// maxDense bounds view.dense, whatever ids brokers choose.
const maxDense = 1 << 12

// node is a registered broker in a view.
type node struct {
	*image.Broker
	endpoint  image.Endpoint
	reachable bool // it has the listener
}

// view returns the view of img's brokers through a listener.
func (c *Cluster) view(img *image.Image, listener string) *view {
	if v, ok := c.views.Load(listener); ok && v.(*view).cluster == img.Cluster {
		return v.(*view)
	}
	v := newView(img.Cluster, listener)
	c.views.Store(listener, v)
	return v
}

func newView(cluster *image.Cluster, listener string) *view {
	v := &view{cluster: cluster, sparse: map[ids.NodeID]*node{}}
	cluster.EachBroker(func(b *image.Broker) bool {
		n := &node{Broker: b}
		n.endpoint, n.reachable = b.Endpoint(listener)
		v.keep(n)
		if !b.Fenced {
			v.active = append(v.active, b.ID)
			if n.reachable {
				v.alive = append(v.alive, n)
			}
		}
		return true
	})
	return v
}

func (v *view) keep(n *node) {
	if n.ID < 0 || n.ID >= maxDense {
		v.sparse[n.ID] = n
		return
	}
	for int(n.ID) >= len(v.dense) {
		v.dense = append(v.dense, nil)
	}
	v.dense[n.ID] = n
}

// node returns a registered broker, or nil.
func (v *view) node(id ids.NodeID) *node {
	if id >= 0 && int(id) < len(v.dense) {
		return v.dense[id]
	}
	return v.sparse[id]
}

// anyAlive is the node that clients are told is the controller: brokers forward
// to the real one, so any of them will do, and drawing one spreads the load.
func (v *view) anyAlive() ids.NodeID {
	if len(v.active) == 0 {
		return ids.NoNode
	}
	return v.active[rand.IntN(len(v.active))]
}

// leader is the partition's leader if clients can reach it, or NoNode. A leader
// that was just fenced still counts: it leads until the controller says otherwise.
func (v *view) leader(p *image.Partition) ids.NodeID {
	if n := v.node(p.Leader); n != nil && n.reachable {
		return p.Leader
	}
	return ids.NoNode
}

// aliveNode is a broker if it is unfenced and reachable, or nil.
func (v *view) aliveNode(id ids.NodeID) *node {
	if n := v.node(id); n != nil && n.reachable && !n.Fenced {
		return n
	}
	return nil
}

// offline tells whether replica i of p cannot serve: its broker is unknown,
// fenced or not on this listener, or its directory is gone.
func (v *view) offline(p *image.Partition, i int) bool {
	n := v.aliveNode(p.Replicas[i])
	return n == nil || i < len(p.Directories) && !onlineDir(n.Broker, p.Directories[i])
}

// onlineDir tells whether a replica's directory is up. The first two ids do not
// name one yet; a broker that registered none does not tell.
func onlineDir(b *image.Broker, dir ids.DirectoryID) bool {
	switch dir {
	case ids.UnassignedDir, ids.MigratingDir:
		return true
	case ids.LostDir:
		return false
	}
	return len(b.Directories) == 0 || slices.Contains(b.Directories, dir)
}

// The operations that anybody may do where nobody is refused: bit n is Kafka's
// ACL operation n. Without an authorizer these are all that a topic or the
// cluster knows.
const (
	opRead            = 1 << 3
	opWrite           = 1 << 4
	opCreate          = 1 << 5
	opDelete          = 1 << 6
	opAlter           = 1 << 7
	opDescribe        = 1 << 8
	opClusterAction   = 1 << 9
	opDescribeConfigs = 1 << 10
	opAlterConfigs    = 1 << 11
	opIdempotentWrite = 1 << 12

	topicOperations   = opRead | opWrite | opCreate | opDelete | opAlter | opDescribe | opDescribeConfigs | opAlterConfigs
	clusterOperations = opCreate | opAlter | opDescribe | opClusterAction | opDescribeConfigs | opAlterConfigs | opIdempotentWrite
	// noOperations says that the client did not ask.
	noOperations = -1 << 31
)
