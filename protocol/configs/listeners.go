package configs

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Endpoint is one entry of listeners or advertised.listeners.
type Endpoint struct {
	Name     string // in upper case, as in Kafka
	Protocol string // PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
	Host     string // "" for all interfaces
	Port     int    // 0 for any free port; advertised ports may be negative in Kafka's syntax, and are refused
}

func (e Endpoint) String() string {
	host := e.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s://%s:%d", e.Name, host, e.Port)
}

// SecurityProtocols are the known protocols with their numbers on the wire.
var SecurityProtocols = map[string]int16{"PLAINTEXT": 0, "SSL": 1, "SASL_PLAINTEXT": 2, "SASL_SSL": 3}

var (
	endpointURI   = regexp.MustCompile(`^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$`)
	hostPort      = regexp.MustCompile(`^(?:[0-9a-zA-Z\-%._]*://)?\[?([0-9a-zA-Z\-%._:]*)\]?:([0-9]+)$`)
	hostCharacter = regexp.MustCompile(`^[0-9a-zA-Z\-%._:]*$`)
)

// ParseListeners reads NAME://host:port entries. protocols maps listener names
// to security protocols.
func ParseListeners(entries []string, protocols map[string]string) ([]Endpoint, error) {
	out := make([]Endpoint, 0, len(entries))
	for _, entry := range entries {
		m := endpointURI.FindStringSubmatch(entry)
		if m == nil {
			return nil, fmt.Errorf("Unable to parse %s to a broker endpoint; write it as NAME://host:port", entry)
		}
		port, err := strconv.Atoi(m[3])
		if err != nil || port < 0 || port > 65535 {
			return nil, fmt.Errorf("Unable to parse %s to a broker endpoint: the port must lie between 0 and 65535", entry)
		}
		e := Endpoint{Name: strings.ToUpper(m[1]), Host: m[2], Port: port}
		if e.Protocol = protocols[e.Name]; e.Protocol == "" {
			return nil, fmt.Errorf("No security protocol defined for listener %s; add %s:PLAINTEXT (or another protocol) to listener.security.protocol.map", e.Name, e.Name)
		}
		if slices.ContainsFunc(out, func(o Endpoint) bool { return o.Name == e.Name }) {
			return nil, fmt.Errorf("Each listener must have a different name, listeners: %s", showValue(entries))
		}
		out = append(out, e)
	}
	return out, nil
}

// checkPorts refuses two listeners on one port, unless one is an IPv4 and the
// other an IPv6 address.
func checkPorts(endpoints []Endpoint) error {
	for i, a := range endpoints {
		for _, b := range endpoints[:i] {
			if a.Port == 0 || a.Port != b.Port {
				continue
			}
			ipA, errA := netip.ParseAddr(a.Host)
			ipB, errB := netip.ParseAddr(b.Host)
			if errA != nil || errB != nil {
				return fmt.Errorf("Each listener must have a different port, listeners %s and %s both use %d", b.Name, a.Name, a.Port)
			}
			if ipA.Is4() == ipB.Is4() {
				return fmt.Errorf("If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, "+
					"listeners %s and %s, port: %d", b.Name, a.Name, a.Port)
			}
		}
	}
	return nil
}

// ProtocolMap is listener.security.protocol.map with listener names in upper
// case. When the key is unset and no listener's name says otherwise, controller
// listeners are PLAINTEXT.
func (v *Values) ProtocolMap() (map[string]string, error) {
	const key = "listener.security.protocol.map"
	out := map[string]string{}
	for _, entry := range splitList(trim(v.String(key))) {
		colon := strings.LastIndex(entry, ":")
		if colon < 0 {
			return nil, fmt.Errorf("Error parsing configuration property '%s': entry %q is not of the form NAME:PROTOCOL", key, entry)
		}
		name, protocol := strings.ToUpper(trim(entry[:colon])), trim(entry[colon+1:])
		if _, ok := SecurityProtocols[strings.ToUpper(protocol)]; !ok {
			return nil, fmt.Errorf("Invalid security protocol `%s` defined in %s; valid are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL", protocol, key)
		}
		out[name] = strings.ToUpper(protocol)
	}
	if v.IsSet(key) || slices.ContainsFunc(v.List("controller.listener.names"), isSecure) ||
		slices.ContainsFunc(v.List("listeners"), func(l string) bool {
			name, _, _ := strings.Cut(l, ":")
			return isSecure(strings.ToUpper(name))
		}) {
		return out, nil
	}
	for _, name := range v.List("controller.listener.names") {
		if name != "PLAINTEXT" {
			out[name] = "PLAINTEXT"
		}
	}
	return out, nil
}

func isSecure(name string) bool {
	return name == "SSL" || name == "SASL_SSL" || name == "SASL_PLAINTEXT"
}

// Listeners is the key listeners, with every listener's protocol.
func (v *Values) Listeners() ([]Endpoint, error) {
	endpoints, err := v.endpoints("listeners")
	if err == nil {
		err = checkPorts(endpoints)
	}
	if err != nil {
		return nil, fmt.Errorf("Error creating broker listeners from '%s': %w", showValue(v.List("listeners")), err)
	}
	return endpoints, nil
}

// AdvertisedBrokerListeners are the addresses that clients and other brokers
// are told. Of listeners that are not advertised explicitly the host may be "":
// the caller puts the machine's name there.
func (v *Values) AdvertisedBrokerListeners() ([]Endpoint, error) {
	all, err := v.advertised()
	return slices.DeleteFunc(all, func(e Endpoint) bool { return v.isController(e) }), err
}

// AdvertisedControllerListeners are the addresses that other nodes are told for
// the controller role, in the order of controller.listener.names. A host may be
// "" as above.
func (v *Values) AdvertisedControllerListeners() ([]Endpoint, error) {
	advertised, err := v.advertised()
	if err != nil {
		return nil, err
	}
	listeners, err := v.Listeners()
	if err != nil {
		return nil, err
	}
	var out []Endpoint
	for i, name := range v.List("controller.listener.names") {
		byName := func(e Endpoint) bool { return e.Name == strings.ToUpper(name) && v.isController(e) }
		if v.IsSet("advertised.listeners") {
			if at := slices.IndexFunc(advertised, byName); at >= 0 {
				out = append(out, advertised[at])
				continue
			}
		}
		if at := slices.IndexFunc(listeners, byName); at >= 0 {
			out = append(out, v.votersAddress(listeners[at], i == 0))
		}
	}
	return out, nil
}

// votersAddress fills the host of a wildcard controller listener from this
// node's entry in controller.quorum.voters, when it has one.
func (v *Values) votersAddress(e Endpoint, first bool) Endpoint {
	if e.Host != "" && e.Host != "0.0.0.0" {
		return e
	}
	voters, _ := v.Voters()
	for _, voter := range voters {
		if first && voter.ID == v.Int("node.id") {
			e.Host, e.Port = voter.Host, voter.Port
			return e
		}
	}
	e.Host = ""
	return e
}

func (v *Values) advertised() ([]Endpoint, error) {
	if !v.IsSet("advertised.listeners") {
		return v.Listeners()
	}
	endpoints, err := v.endpoints("advertised.listeners")
	if err != nil {
		return nil, fmt.Errorf("Error creating broker listeners from '%s': %w", showValue(v.List("advertised.listeners")), err)
	}
	return endpoints, nil
}

func (v *Values) endpoints(key string) ([]Endpoint, error) {
	protocols, err := v.ProtocolMap()
	if err != nil {
		return nil, err
	}
	return ParseListeners(v.List(key), protocols)
}

func (v *Values) isController(e Endpoint) bool {
	return slices.Contains(v.List("controller.listener.names"), e.Name)
}

// InterBrokerListener is the name of the listener that brokers use among
// themselves.
func (v *Values) InterBrokerListener() (string, error) {
	const key, other = "inter.broker.listener.name", "security.inter.broker.protocol"
	name := v.String(key)
	switch {
	case name == "" && v.IsSet(key):
		return "", fmt.Errorf("The provided listener name is null or empty string; name a listener, or leave %s out", key)
	case name == "":
		return v.String(other), nil
	}
	if v.IsSet(other) {
		return "", fmt.Errorf("Only one of %s and %s should be set.", key, other)
	}
	protocols, err := v.ProtocolMap()
	if err != nil {
		return "", err
	}
	name = strings.ToUpper(name)
	if protocols[name] == "" {
		return "", fmt.Errorf("Listener with name %s defined in %s not found in listener.security.protocol.map.", name, key)
	}
	return name, nil
}

// Voter is one entry of controller.quorum.voters.
type Voter struct {
	ID   int32
	Host string
	Port int
}

// Voters is controller.quorum.voters; empty when the voters are in the log.
func (v *Values) Voters() ([]Voter, error) {
	return parseVoters("controller.quorum.voters", v.List("controller.quorum.voters"))
}

func parseVoters(key string, entries []string) ([]Voter, error) {
	const form = "`{id}@{host}:{port}`"
	var out []Voter
	for _, entry := range entries {
		id, address, ok := strings.Cut(entry, "@")
		if !ok || strings.Contains(address, "@") {
			return nil, plainly(key, "Invalid configuration value for "+key+". Each entry should be in the form "+form+".")
		}
		n, err := strconv.ParseInt(id, 10, 32)
		if err != nil {
			return nil, plainly(key, "Failed to parse voter ID as an integer from "+id)
		}
		at, err := parseHostPort(key, address, form)
		if err != nil {
			return nil, err
		}
		out = append(out, Voter{int32(n), at.Host, at.Port})
	}
	return out, nil
}

// HostPort is an address as users write it; the host may be a name.
type HostPort struct {
	Host string
	Port int
}

// BootstrapServers is controller.quorum.bootstrap.servers.
func (v *Values) BootstrapServers() ([]HostPort, error) {
	const key = "controller.quorum.bootstrap.servers"
	var out []HostPort
	for _, entry := range v.List(key) {
		at, err := parseHostPort(key, entry, `"{host}:{port}"`)
		if err != nil {
			return nil, err
		}
		out = append(out, at)
	}
	return out, nil
}

func parseHostPort(key, entry, form string) (HostPort, error) {
	m := hostPort.FindStringSubmatch(entry)
	if m == nil {
		return HostPort{}, plainly(key, "Failed to parse host name from "+entry+" for the configuration "+key+
			". Each entry should be in the form "+form)
	}
	port, err := strconv.Atoi(m[2])
	if err != nil || port > 65535 {
		return HostPort{}, plainly(key, "Failed to parse host port from "+entry+" for the configuration "+key+
			". Each entry should be in the form "+form)
	}
	return HostPort{m[1], port}, nil
}
