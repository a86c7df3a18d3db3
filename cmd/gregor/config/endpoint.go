package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Endpoint is one listener: where it binds, or where clients are told to
// connect. Host is empty for all interfaces; Port 0 lets the system choose.
type Endpoint struct {
	Name     string // listener name, in upper case
	Protocol string // PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
	Host     string
	Port     uint16
}

// Addr is the endpoint as host:port.
func (e Endpoint) Addr() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

func (e Endpoint) String() string { return e.Name + "://" + e.Addr() }

// ProtocolID is the number that registration records carry for the protocol.
func (e Endpoint) ProtocolID() int16 {
	switch e.Protocol {
	case "SSL":
		return 1
	case "SASL_PLAINTEXT":
		return 2
	case "SASL_SSL":
		return 3
	}
	return 0
}

// parseEndpoints reads a list of NAME://host:port. protocols is
// listener.security.protocol.map.
func parseEndpoints(key string, list []string, protocols map[string]string) ([]Endpoint, error) {
	out := make([]Endpoint, 0, len(list))
	for _, s := range list {
		e, err := parseEndpoint(s, protocols)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		for _, other := range out {
			if other.Name == e.Name {
				return nil, fmt.Errorf("%s: listener %s stands there twice: give each listener a name of its own", key, e.Name)
			}
		}
		out = append(out, e)
	}
	return out, nil
}

func parseEndpoint(s string, protocols map[string]string) (Endpoint, error) {
	name, addr, ok := strings.Cut(s, "://")
	if !ok || name == "" {
		return Endpoint{}, fmt.Errorf("%q is not NAME://host:port", s)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return Endpoint{}, fmt.Errorf("%q is not NAME://host:port (an IPv6 address stands in brackets)", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Endpoint{}, fmt.Errorf("%q: port %q is not a number from 0 to 65535", s, port)
	}
	e := Endpoint{Name: strings.ToUpper(name), Host: host, Port: uint16(n)}
	if e.Protocol, ok = protocols[e.Name]; !ok {
		return Endpoint{}, fmt.Errorf("listener %s has no entry in listener.security.protocol.map: add %s:PLAINTEXT, or the protocol it uses", e.Name, e.Name)
	}
	return e, nil
}

// protocolMap reads listener.security.protocol.map. A controller listener that
// no entry names is PLAINTEXT as long as the map was not set, as in Kafka.
func protocolMap(entries []string, isSet bool, controllers []string) (map[string]string, error) {
	out := make(map[string]string, len(entries))
	for _, e := range entries {
		name, protocol, ok := strings.Cut(e, ":")
		name, protocol = strings.ToUpper(strings.TrimSpace(name)), strings.ToUpper(strings.TrimSpace(protocol))
		switch protocol {
		case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
		default:
			ok = false
		}
		if !ok || name == "" {
			return nil, fmt.Errorf("listener.security.protocol.map: %q is not NAME:PROTOCOL with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", e)
		}
		out[name] = protocol
	}
	for _, c := range controllers {
		if c = strings.ToUpper(c); out[c] == "" && !isSet {
			out[c] = "PLAINTEXT"
		}
	}
	return out, nil
}
