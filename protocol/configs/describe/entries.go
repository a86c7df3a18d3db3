package describe

import (
	"maps"
	"slices"

	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type synonym = kmsg.DescribeConfigsResponseResourceConfigConfigSynonym

// entries collects the keys of one resource for DescribeConfigs.
type entries struct {
	wanted         []string // nil: all
	synonyms, docs bool
	layers         *Layers
	out            []kmsg.DescribeConfigsResponseResourceConfig
}

func (e *entries) wants(name string) bool { return e.wanted == nil || slices.Contains(e.wanted, name) }

// add appends a key. The first of its synonyms says where the value comes from.
func (e *entries) add(d *configs.Def, name string, value any, readOnly bool, synonyms []synonym) {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.ReadOnly = name, readOnly
	c.Source = kmsg.ConfigSourceDefaultConfig
	if len(synonyms) > 0 {
		c.Source = synonyms[0].Source
	}
	// A key nobody knows may be anything, so it is treated as a secret.
	c.IsSensitive = d == nil || d.Sensitive
	if value != nil && !c.IsSensitive {
		c.Value = kmsg.StringPtr(configs.Format(value))
	}
	if d != nil {
		c.ConfigType = kmsg.ConfigType(d.Type)
	}
	if e.synonyms {
		c.ConfigSynonyms = synonyms
	}
	if e.docs && d != nil {
		c.Documentation = kmsg.StringPtr(d.Doc)
	}
	e.out = append(e.out, c)
}

func synonymOf(name, value string, source kmsg.ConfigSource, secret bool) synonym {
	s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
	s.Name, s.Source = name, source
	if !secret {
		s.Value = &value
	}
	return s
}

// overridden adds the keys of a topic, group or subscription: its own values
// (source) over the broker's.
func (e *entries) overridden(kind configs.Kind, props map[string]string, defaults *configs.Values, source kmsg.ConfigSource) {
	values := defaults.Overlay(props)
	for _, d := range configs.All(kind) {
		raw, own := props[d.Name]
		if d.Internal && !own || !e.wants(d.Name) {
			continue
		}
		value := values.Get(d.Name)
		var synonyms []synonym
		if own {
			text := raw
			if value != nil {
				text = configs.Format(value)
			}
			synonyms = append(synonyms, synonymOf(d.Name, text, source, d.Sensitive))
		}
		switch {
		case len(d.Synonyms) > 0:
			synonyms = append(synonyms, e.brokerSynonyms(d.Synonyms[0].Name, d.Synonyms, d.Sensitive)...)
		case kind == configs.Group && d.Default != nil:
			synonyms = append(synonyms, synonymOf(d.Name, *d.Default, kmsg.ConfigSourceDefaultConfig, d.Sensitive))
		}
		e.add(d, d.Name, value, false, synonyms)
	}
}

// wholeBroker adds every key of the broker: the known ones, and whatever else
// was set.
func (e *entries) wholeBroker() {
	for _, d := range configs.All(configs.Broker) {
		if d.Internal && !e.layers.Values.IsSet(d.Name) || d.DynamicOnly && !e.layers.Values.IsSet(d.Name) || !e.wants(d.Name) {
			continue
		}
		e.add(d, d.Name, e.layers.Values.Get(d.Name), d.Mode == configs.ReadOnly, e.brokerSynonyms(d.Name, d.Synonyms, d.Sensitive))
	}
	for _, name := range slices.Sorted(maps.Keys(e.layers.Values.Props())) {
		if e.isTable(name) || !e.wants(name) {
			continue
		}
		e.extra(name)
	}
}

func (e *entries) isTable(name string) bool {
	d, ok := configs.Lookup(configs.Broker, name)
	return ok && d.Name == name
}

// extra adds a key that was set and is not in the table: one with a listener's
// prefix, or one nobody knows. Kafka knows the type of neither.
func (e *entries) extra(name string) {
	chain := []configs.Synonym{{Name: name, PerUnit: 1}}
	if _, base, ok := configs.SplitListener(name); ok {
		chain = append(chain, configs.Synonym{Name: base, PerUnit: 1})
	}
	d, known := configs.Lookup(configs.Broker, name)
	if !known {
		e.add(nil, name, nil, true, e.brokerSynonyms(name, chain, true))
		return
	}
	raw, _ := e.layers.Values.Raw(name)
	e.add(d, name, raw, true, e.brokerSynonyms(name, chain, d.Sensitive))
}

// clusterDefault adds a key of the cluster's default for brokers.
func (e *entries) clusterDefault(name, raw string) {
	if !e.wants(name) {
		return
	}
	d, known := configs.Lookup(configs.Broker, name)
	secret, readOnly := !known || d.Sensitive, !known || d.Mode == configs.ReadOnly
	if !known {
		d = nil
	}
	e.add(d, name, raw, readOnly, []synonym{synonymOf(name, raw, kmsg.ConfigSourceDynamicDefaultBrokerConfig, secret)})
}

// brokerSynonyms lists where a broker key's value could come from, strongest
// first: for each level every name of the family. What stands before the key
// itself gives the key no value and is left out.
func (e *entries) brokerSynonyms(name string, family []configs.Synonym, secret bool) []synonym {
	var out []synonym
	add := func(level func(string) (string, bool), source kmsg.ConfigSource) {
		for _, s := range family {
			if raw, ok := level(s.Name); ok {
				out = append(out, synonymOf(s.Name, raw, source, secret))
			}
		}
	}
	in := func(m map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			raw, ok := m[name]
			return raw, ok
		}
	}
	add(in(e.layers.Broker), kmsg.ConfigSourceDynamicBrokerConfig)
	add(in(e.layers.Cluster), kmsg.ConfigSourceDynamicDefaultBrokerConfig)
	add(e.layers.Static.Raw, kmsg.ConfigSourceStaticBrokerConfig)
	add(func(name string) (string, bool) {
		if d, ok := configs.Lookup(configs.Broker, name); ok && d.Name == name && d.Default != nil && !d.DynamicOnly {
			return *d.Default, true
		}
		return "", false
	}, kmsg.ConfigSourceDefaultConfig)
	for i := range out {
		if out[i].Name == name {
			return out[i:]
		}
	}
	return nil
}
