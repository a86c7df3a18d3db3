package configs

import (
	"sort"
	"strings"
)

// Kind is the sort of resource a key configures.
type Kind uint8

const (
	Broker        Kind = iota // server.properties and dynamic broker configuration
	Topic                     // one topic; unset keys take the broker's synonyms
	Group                     // one consumer, share or streams group
	ClientMetrics             // one client-metrics subscription (KIP-714)
)

// Type is a key's value type, with the numbers that DescribeConfigs sends.
type Type int8

const (
	Boolean  Type = 1
	String   Type = 2
	Int      Type = 3 // 32 bits
	Short    Type = 4 // 16 bits
	Long     Type = 5 // 64 bits
	Double   Type = 6
	List     Type = 7 // comma separated, blanks around an element are dropped
	Class    Type = 8 // a Java class name: kept as text
	Password Type = 9 // never shown, never logged
)

var typeNames = [...]string{Boolean: "BOOLEAN", String: "STRING", Int: "INT", Short: "SHORT", Long: "LONG",
	Double: "DOUBLE", List: "LIST", Class: "CLASS", Password: "PASSWORD"}

func (t Type) String() string { return typeNames[t] }

// Importance ranks a key in the documentation.
type Importance uint8

const (
	High Importance = iota
	Medium
	Low
)

// Mode says whether and where a broker key may be altered at run time (KIP-226).
type Mode uint8

const (
	ReadOnly    Mode = iota // server.properties only
	PerBroker               // for one broker; security keys only with a listener prefix
	ClusterWide             // for one broker or as the cluster's default
)

// Synonym is a broker key that stands in for a key that is unset.
type Synonym struct {
	Name    string
	PerUnit int64 // factor from the synonym's unit to the key's: 1, or milliseconds a minute or an hour
}

// Def describes one key. Defs are shared and never change.
type Def struct {
	Name       string
	Kind       Kind
	Type       Type
	Default    *string // nil: null, or none at all when Required
	Required   bool    // there is no default, the key must be set
	Importance Importance
	Mode       Mode // of broker keys; the other kinds are always dynamic
	Sensitive  bool // the value is a secret: Type is Password
	Internal   bool // hidden from listings unless it is set
	// DynamicOnly marks broker keys that exist only as dynamic configuration
	// (replication throttles): a properties file cannot set them.
	DynamicOnly bool
	// Synonyms are broker keys that give this key its value, the first one set
	// wins. Of a broker key with a unit-converted sibling (log.roll.ms,
	// log.roll.hours) it is the whole family, the finest unit first; of any
	// other broker key it is the key alone.
	Synonyms []Synonym
	Doc      string // one sentence
	// Acts tells whether gregor obeys the key. A key that is set and does not
	// act is warned about once at start.
	Acts bool

	valid validator
}

// index finds the keys of one kind.
type index struct {
	sorted []*Def
	byName map[string]*Def
}

// tables is built once, before main, and only read afterwards.
var tables = [...]index{
	Broker: newIndex(Broker, nodeKeys, networkKeys, logKeys, coordinatorsKeys, serviceKeys, securityKeys, remoteKeys,
		dynamicOnlyKeys, ownKeys),
	Topic:         newIndex(Topic, topicKeys),
	Group:         newIndex(Group, groupKeys),
	ClientMetrics: newIndex(ClientMetrics, clientMetricsKeys),
}

// Lookup returns the definition of a key. A broker key may carry a listener
// prefix (listener.name.<listener>.[<mechanism>.]<key>); the definition is then
// the plain key's.
func Lookup(kind Kind, name string) (*Def, bool) {
	if int(kind) >= len(tables) {
		return nil, false
	}
	if d, ok := tables[kind].byName[name]; ok {
		return d, true
	}
	if kind != Broker {
		return nil, false
	}
	if _, base, ok := SplitListener(name); ok {
		d, ok := tables[Broker].byName[base]
		return d, ok
	}
	return nil, false
}

// All returns every key of a kind, sorted by name; internal keys too. The slice
// is shared.
func All(kind Kind) []*Def {
	if int(kind) >= len(tables) {
		return nil
	}
	return tables[kind].sorted
}

// mechanismKeys may stand behind a SASL mechanism in a listener's name, as in
// listener.name.internal.scram-sha-256.sasl.jaas.config.
var mechanismKeys = []string{"sasl.jaas.config", "sasl.login.callback.handler.class", "sasl.login.class",
	"sasl.server.callback.handler.class", "connections.max.reauth.ms"}

// SplitListener takes a key such as listener.name.internal.ssl.keystore.location
// apart into the listener's name and the plain key. A mechanism between the two
// is dropped.
func SplitListener(name string) (listener, base string, ok bool) {
	rest, ok := strings.CutPrefix(name, "listener.name.")
	if !ok {
		return "", "", false
	}
	listener, base, ok = strings.Cut(rest, ".")
	if !ok {
		return "", "", false
	}
	for _, key := range mechanismKeys {
		if strings.HasSuffix(base, "."+key) {
			return listener, key, true
		}
	}
	return listener, base, true
}

// Passthrough tells whether a broker key belongs to something that is
// configured through the same file without being in the table: configuration
// providers, remote storage plug-ins, the authorizer.
func Passthrough(name string) bool {
	switch name {
	case "super.users", "allow.everyone.if.no.acl.found":
		return true
	}
	for _, prefix := range []string{"config.providers.", "rsm.config.", "rlmm.config."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func newIndex(kind Kind, areas ...[]row) index {
	n := 0
	for _, rows := range areas {
		n += len(rows)
	}
	ix := index{byName: make(map[string]*Def, n), sorted: make([]*Def, 0, n)}
	defs := make([]Def, 0, n)
	for _, rows := range areas {
		for i := range rows {
			defs = append(defs, rows[i].def(kind))
			d := &defs[len(defs)-1]
			ix.byName[d.Name] = d
			ix.sorted = append(ix.sorted, d)
		}
	}
	sort.Slice(ix.sorted, func(i, j int) bool { return ix.sorted[i].Name < ix.sorted[j].Name })
	return ix
}
