package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Node is one process as its configuration describes it. All paths are
// absolute.
type Node struct {
	Values             *configs.Values
	ID                 ids.NodeID
	Broker, Controller bool // process.roles; at least one

	Listeners           []configs.Endpoint // of the broker
	Advertised          []configs.Endpoint // what clients are told, by listener name
	ControllerListeners []configs.Endpoint // empty on a broker only
	// ControllerAdvertised is what other nodes are told, controller.listener.names order.
	ControllerAdvertised []configs.Endpoint
	ControllerNames      []string // controller.listener.names, upper case
	InterBroker          string   // listener name

	LogDirs     []string
	MetadataDir string // the log dir that holds __cluster_metadata-0

	Voters    []configs.Voter    // controller.quorum.voters: a static quorum
	Bootstrap []configs.HostPort // controller.quorum.bootstrap.servers
}

// Load checks props and turns them into a Node. The errors are all that is
// wrong, each in one line.
func Load(props map[string]string) (*Node, error) {
	v, err := configs.Resolve(props)
	if err != nil {
		return nil, errors.Join(withoutZooKeeper(props), err)
	}
	if errs := v.Validate(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	n := &Node{Values: v, ID: ids.NodeID(v.Int("node.id"))}
	for _, r := range v.List("process.roles") {
		n.Broker = n.Broker || r == "broker"
		n.Controller = n.Controller || r == "controller"
	}
	for _, c := range v.List("controller.listener.names") {
		n.ControllerNames = append(n.ControllerNames, strings.ToUpper(c))
	}
	if err := n.loadListeners(); err != nil {
		return nil, err
	}
	if err := n.loadDirs(); err != nil {
		return nil, err
	}
	if n.Voters, err = v.Voters(); err != nil {
		return nil, err
	}
	if n.Bootstrap, err = v.BootstrapServers(); err != nil {
		return nil, err
	}
	return n, n.refuse()
}

func (n *Node) loadListeners() error {
	all, err := n.Values.Listeners()
	if err != nil {
		return err
	}
	for _, e := range all {
		if n.isController(e.Name) {
			if n.Controller {
				n.ControllerListeners = append(n.ControllerListeners, e)
			}
		} else if n.Broker {
			n.Listeners = append(n.Listeners, e)
		}
	}
	if n.Broker {
		if n.Advertised, err = n.Values.AdvertisedBrokerListeners(); err != nil {
			return err
		}
		if n.InterBroker, err = n.Values.InterBrokerListener(); err != nil {
			return err
		}
	}
	if n.Controller {
		n.ControllerAdvertised, err = n.Values.AdvertisedControllerListeners()
	}
	return err
}

func (n *Node) isController(listener string) bool {
	for _, c := range n.ControllerNames {
		if c == listener {
			return true
		}
	}
	return false
}

func (n *Node) loadDirs() error {
	said := map[string]string{}
	for _, d := range n.Values.LogDirs() {
		abs, err := filepath.Abs(d)
		if err != nil {
			return fmt.Errorf("log.dirs: %w", err)
		}
		if other, twice := said[abs]; twice {
			return fmt.Errorf("log.dirs: Duplicate log directory found: %s and %s are the same: name each once", other, d)
		}
		said[abs] = d
		n.LogDirs = append(n.LogDirs, abs)
	}
	n.MetadataDir = n.LogDirs[0]
	if d := n.Values.String("metadata.log.dir"); d != "" {
		abs, err := filepath.Abs(d)
		if err != nil {
			return fmt.Errorf("metadata.log.dir: %w", err)
		}
		n.MetadataDir = abs
	}
	return nil
}

// AllDirs are the directories that carry a meta.properties: log.dirs and
// metadata.log.dir, each once.
func (n *Node) AllDirs() []string {
	for _, d := range n.LogDirs {
		if d == n.MetadataDir {
			return n.LogDirs
		}
	}
	return append([]string{n.MetadataDir}, n.LogDirs...)
}

// ControllerAddresses are those through which the node finds the quorum.
func (n *Node) ControllerAddresses() (out []string) {
	for _, b := range n.Bootstrap {
		out = append(out, net.JoinHostPort(b.Host, strconv.Itoa(b.Port)))
	}
	for _, v := range n.Voters {
		out = append(out, net.JoinHostPort(v.Host, strconv.Itoa(v.Port)))
	}
	return out
}

// Warnings tells of properties that will have no effect: a line for each that
// nobody knows, with the key it may be meant for or what took its place, and one
// line for those that gregor does not obey yet.
func Warnings(props map[string]string) []string {
	var idle, out []string
	for _, key := range sortedKeys(props) {
		def, known := configs.Lookup(configs.Broker, key)
		switch instead, gone := configs.Removed(key); {
		case known && !def.Acts:
			idle = append(idle, key)
		case known || configs.Passthrough(key):
		case gone:
			out = append(out, fmt.Sprintf("property %s is ignored, as in Apache Kafka 4: %s", key, instead))
		default:
			line := fmt.Sprintf("unknown property %s is ignored", key)
			if near := configs.Nearest(configs.Broker, key); near != "" {
				line += fmt.Sprintf("; did you mean %s?", near)
			}
			out = append(out, line)
		}
	}
	if v, err := configs.Resolve(props); err == nil {
		out = append(out, tooSlowAHeart(v)...)
	}
	if len(idle) > 0 {
		out = append(out, "set but without effect yet: "+strings.Join(idle, ", "))
	}
	return out
}

// tooSlowAHeart warns of a broker that is fenced for a single heartbeat that is late.
func tooSlowAHeart(v *configs.Values) []string {
	beat, session := v.Int("broker.heartbeat.interval.ms"), v.Int("broker.session.timeout.ms")
	if beat <= session/2 {
		return nil
	}
	return []string{fmt.Sprintf("broker.heartbeat.interval.ms (%d ms) is more than half of broker.session.timeout.ms (%d ms, counted by the controllers): "+
		"the broker is fenced when one heartbeat is late; lower the one or raise the other", beat, session)}
}

func sortedKeys(props map[string]string) []string { return slices.Sorted(maps.Keys(props)) }
