package configs

import "sort"

// Kind is the sort of resource a key configures.
type Kind uint8

const (
	Broker        Kind = iota // server.properties and dynamic broker configuration
	Topic                     // one topic; defaults come from the broker keys in Def.Synonyms
	Group                     // one consumer, share or streams group
	ClientMetrics             // one client-metrics subscription (KIP-714)
)

// Type is a key's value type, with the numbers DescribeConfigs sends.
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
	PerBroker               // dynamic for one broker; listener keys also by listener.name prefix
	ClusterWide             // dynamic for one broker or as the cluster's default
)

// Synonym is a broker key that gives a topic or broker key its default.
type Synonym struct {
	Name string
	// PerUnit converts the synonym's value: 1, or milliseconds an hour or minute.
	PerUnit int64
}

// Def describes one key. Defs are shared and must not be changed.
type Def struct {
	Name       string
	Kind       Kind
	Type       Type
	Default    *string // nil: the default is null, or there is none (Required)
	Required   bool    // must be set: no default at all
	Importance Importance
	Mode       Mode // of broker keys; other kinds are always dynamic
	Sensitive  bool // Type is Password
	Internal   bool // exists for tests of Kafka itself; never listed
	// Synonyms are the broker keys whose value stands in for this one when it
	// is unset, the first set one wins. A key of Kind Broker names itself first.
	Synonyms []Synonym
	Doc      string // one sentence
	// Acts tells whether gregor obeys the key yet. A key that is set and does
	// not act is warned about once at start.
	Acts bool

	valid validator
}

var tables = [...]index{}

// index finds the keys of one kind.
type index struct {
	sorted []*Def
	byName map[string]*Def
}

// Lookup returns the key's definition. Broker keys may carry a
// listener.name.<listener>. prefix; the definition is then the plain key's.
func Lookup(kind Kind, name string) (*Def, bool) {
	if int(kind) >= len(tables) {
		return nil, false
	}
	d, ok := tables[kind].byName[name]
	return d, ok
}

// All returns every key of a kind, sorted by name. The slice is shared.
func All(kind Kind) []*Def {
	if int(kind) >= len(tables) {
		return nil
	}
	return tables[kind].sorted
}

func newIndex(kind Kind, defs []Def) index {
	ix := index{byName: make(map[string]*Def, len(defs))}
	for i := range defs {
		d := &defs[i]
		d.Kind = kind
		ix.byName[d.Name] = d
		ix.sorted = append(ix.sorted, d)
	}
	sort.Slice(ix.sorted, func(i, j int) bool { return ix.sorted[i].Name < ix.sorted[j].Name })
	return ix
}
