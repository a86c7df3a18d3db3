package decide

import (
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
)

// Sources of a configuration value as on the wire.
const (
	sourceTopic         int8 = 1
	sourceBroker        int8 = 2
	sourceBrokerDefault int8 = 3
	sourceStatic        int8 = 4
	sourceDefault       int8 = 5
)

const minISRKey = "min.insync.replicas"

// topicValue is what a topic key comes to: the topic's own value, else the
// dynamic configuration of this node, of all brokers, the static configuration,
// the default; in each of them the first synonym that is set. A nil value is null.
func (e *Env) topicValue(def *configs.Def, overrides map[string]string) (value *string, source int8) {
	if v, ok := overrides[def.Name]; ok {
		return &v, sourceTopic
	}
	node := e.Image.Configs.Of(image.Resource{Type: image.BrokerResource, Name: strconv.Itoa(int(e.ID))})
	all := e.Image.Configs.Of(image.Resource{Type: image.BrokerResource})
	for _, layer := range []struct {
		get    func(string) (string, bool)
		source int8
	}{{lookup(node), sourceBroker}, {lookup(all), sourceBrokerDefault}, {e.Config.Raw, sourceStatic}} {
		for _, s := range def.Synonyms {
			if raw, ok := layer.get(s.Name); ok {
				return convert(raw, s.PerUnit), layer.source
			}
		}
	}
	return def.Default, sourceDefault
}

func lookup(m map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) {
		v, ok := m[k]
		return v, ok
	}
}

// convert turns hours or minutes into milliseconds.
func convert(raw string, perUnit int64) *string {
	if perUnit > 1 {
		if n, err := strconv.ParseInt(strings.TrimSpace(raw), 10, 64); err == nil {
			raw = strconv.FormatInt(n*perUnit, 10)
		}
	}
	return &raw
}

func (e *Env) topicKey(topic, key string) string {
	def, ok := configs.Lookup(configs.Topic, key)
	if !ok {
		return ""
	}
	v, _ := e.topicValue(def, e.Image.Configs.Topic(topic))
	if v == nil {
		return ""
	}
	return strings.TrimSpace(*v)
}

// uncleanElection tells whether a topic would rather lose records than wait.
func (e *Env) uncleanElection(topic string) bool {
	return strings.EqualFold(e.topicKey(topic, "unclean.leader.election.enable"), "true")
}

// minISR is how many replicas must have a record before it is committed.
func (e *Env) minISR(t *image.Topic) int {
	n, err := strconv.Atoi(e.topicKey(t.Name, minISRKey))
	if err != nil || n < 1 {
		n = 1
	}
	if p := t.Partition(0); p != nil {
		n = min(n, len(p.Replicas))
	}
	return n
}

// staticMinISR is min.insync.replicas of this node's own configuration.
func (n *Node) staticMinISR() string { return strconv.Itoa(int(n.Config.Int(minISRKey))) }
