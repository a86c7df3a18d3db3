package describe

import "github.com/gregorbroker/gregor/protocol/configs"

// Layers is a node's configuration and what it is made of, strongest first.
type Layers struct {
	// Broker and Cluster are dynamic, of this node and the default of all brokers,
	// without what has no effect; read-only.
	Broker, Cluster map[string]string
	Static          *configs.Values // what the node was started with
	Values          *configs.Values // all of them together
	topic, group    *configs.Values // defaults of resources
}

// NewLayers puts the dynamic configuration of a node and of all brokers over its
// static one.
func NewLayers(static *configs.Values, broker, cluster map[string]string) *Layers {
	l := &Layers{Static: static, Broker: usable(broker, true), Cluster: usable(cluster, false)}
	l.Values = static.Overlay(l.Cluster, l.Broker)
	l.topic = configs.ResolveDefaults(configs.Topic, l.Values)
	l.group = configs.ResolveDefaults(configs.Group, l.Values)
	return l
}

// usable leaves out what has no effect: values that do not parse, keys that are
// read-only, and keys of single brokers in the cluster's default.
func usable(props map[string]string, perBroker bool) map[string]string {
	out := make(map[string]string, len(props))
	for name, raw := range props {
		d, known := configs.Lookup(configs.Broker, name)
		if known {
			_, err := d.ParseAs(name, raw)
			if err != nil || d.Mode == configs.ReadOnly || d.Mode == configs.PerBroker && !perBroker {
				continue
			}
		}
		out[name] = raw
	}
	return out
}
