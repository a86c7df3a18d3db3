package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// refuse tells of what a configuration asks for and gregor would leave out with
// worse than a warning: a port that is to be closed to strangers would be open to
// them, a folder would have the name of a placeholder. Every error is one line.
func (n *Node) refuse() error {
	return errors.Join(n.refuseProtocols(), n.refuseAuthorizer(), n.refusePlaceholders(), n.refuseMonitorPort())
}

// refuseProtocols holds every listener of the node, and those of the controllers
// that it asks, to what gregor speaks.
func (n *Node) refuseProtocols() error {
	const cure = "gregor has no TLS and SASL yet, and would be open to everybody in plaintext: where the network is to be trusted, map the name to PLAINTEXT in listener.security.protocol.map"
	for _, e := range slices.Concat(n.ControllerListeners, n.Listeners) {
		if e.Protocol != "PLAINTEXT" {
			return fmt.Errorf("listeners: %s is to speak %s: %s", e, e.Protocol, cure)
		}
	}
	protocols, err := n.Values.ProtocolMap()
	if err != nil {
		return err
	}
	for _, name := range n.ControllerNames {
		if p := protocols[name]; p != "PLAINTEXT" {
			return fmt.Errorf("controller.listener.names: %s is to speak %s: %s", name, p, cure)
		}
	}
	return nil
}

func (n *Node) refuseAuthorizer() error {
	if class := n.Values.String("authorizer.class.name"); class != "" {
		return fmt.Errorf("authorizer.class.name: %s is to decide who may do what: gregor has no ACLs yet, and would let everybody do everything; remove the key where that is right", class)
	}
	return nil
}

// placeholder is a value that a configuration provider is to fill in (KIP-297): ${provider:[path:]key}.
var placeholder = regexp.MustCompile(`\$\{([^}:]*):[^}]*\}`)

// refusePlaceholders tells of the first value that stands elsewhere. Where no
// provider has its name, it is text in Kafka too.
func (n *Node) refusePlaceholders() error {
	providers := n.Values.List("config.providers")
	props := n.Values.Props()
	for _, key := range sortedKeys(props) {
		for _, found := range placeholder.FindAllStringSubmatch(props[key], -1) {
			if slices.Contains(providers, found[1]) {
				return fmt.Errorf("%s: %s would be taken as it is, gregor has no config.providers yet: write the value in its place before the start, as with envsubst", key, found[0])
			}
		}
	}
	return nil
}

// refuseMonitorPort: the port without authentication is none of the others.
func (n *Node) refuseMonitorPort() error {
	const key = "gregor.http.listener"
	host, text, err := net.SplitHostPort(n.Values.String(key))
	port, numErr := strconv.Atoi(text)
	if err != nil || numErr != nil || port == 0 {
		return nil // what is no address has been refused already
	}
	for _, e := range slices.Concat(n.ControllerListeners, n.Listeners) {
		if e.Port == port && (e.Host == host || anyAddress(e.Host) || anyAddress(host)) {
			return fmt.Errorf("%s: %s is the port of %s too: give it one of its own", key, n.Values.String(key), e)
		}
	}
	return nil
}

func anyAddress(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

// withoutZooKeeper says what a configuration of before Kafka 4 is missing.
func withoutZooKeeper(props map[string]string) error {
	if props["zookeeper.connect"] == "" || strings.TrimSpace(props["process.roles"]) != "" {
		return nil
	}
	return errors.New("zookeeper.connect: there is no ZooKeeper any more, as in Apache Kafka 4: move the cluster to KRaft with Apache Kafka 3.9 first, or begin a new one with process.roles, node.id and controller.quorum.bootstrap.servers")
}
