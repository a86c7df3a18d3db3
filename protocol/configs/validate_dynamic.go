package configs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// clusterListenerKeys are listener keys that may stand in the cluster's default.
var clusterListenerKeys = []string{"max.connections", "max.connection.creation.rate", "num.network.threads"}

// dynamicSecurityKeys may be altered at run time only for one listener, by its prefix.
var dynamicSecurityKeys = []string{"ssl.key.password", "ssl.keystore.certificate.chain", "ssl.keystore.key",
	"ssl.keystore.location", "ssl.keystore.password", "ssl.keystore.type", "ssl.truststore.certificates",
	"ssl.truststore.location", "ssl.truststore.password", "ssl.truststore.type"}

// ValidateDynamicBroker checks the whole dynamic configuration that a broker
// (perBroker) or the cluster's default is to have. static is what the broker
// was started with, other the dynamic configuration of the other of the two.
// The caller answers every error with INVALID_REQUEST, as Kafka does.
func ValidateDynamicBroker(static *Values, other, props map[string]string, perBroker bool) error {
	if err := refuse(props, "Cannot update these configs dynamically", func(name string) bool {
		d, ok := tables[Broker].byName[name]
		return ok && d.Mode == ReadOnly
	}); err != nil {
		return err
	}
	if err := refuse(props, "These security configs can be dynamically updated only per-listener using the listener prefix",
		func(name string) bool { return slices.Contains(dynamicSecurityKeys, name) }); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if d, ok := Lookup(Broker, name); ok && d.Mode != ReadOnly {
			if _, err := d.Parse(props[name]); err != nil {
				return err
			}
		}
	}
	layers := []map[string]string{other, props}
	if !perBroker {
		if err := refuse(props, "Cannot update these configs at default cluster level, broker id must be specified", perBrokerOnly); err != nil {
			return err
		}
		layers = []map[string]string{props, other}
	}
	now := static.Overlay(layers...)
	if errs := now.Validate(); len(errs) > 0 {
		if r, ok := errs[0].(requirement); ok && !strings.HasPrefix(r.Error(), "group.") {
			return fmt.Errorf("requirement failed: %w", r.error)
		}
		return errs[0]
	}
	return threadCounts(static.Overlay(other), now)
}

// refuse names the keys that are bad, all of them at once.
func refuse(props map[string]string, text string, bad func(string) bool) error {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(props)), func(name string) bool { return !bad(name) })
	if len(names) == 0 {
		return nil
	}
	return errors.New(text + ": [" + strings.Join(names, ", ") + "]")
}

func perBrokerOnly(name string) bool {
	if d, ok := tables[Broker].byName[name]; ok {
		return d.Mode == PerBroker
	}
	_, base, ok := SplitListener(name)
	return ok && !slices.Contains(clusterListenerKeys, base)
}

// threadCounts keeps Kafka's rule that a number of threads may at most double
// or halve at a time. The odd text is what Kafka's nested exceptions print.
func threadCounts(old, now *Values) error {
	for _, key := range []string{"num.io.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir", "background.threads"} {
		was, is, reason := old.Int(key), now.Int(key), ""
		switch {
		case is < was/2:
			reason = fmt.Sprintf("value should be at least half the current value %d", was)
		case is > was*2:
			reason = fmt.Sprintf("value should not be greater than double the current value %d", was)
		}
		if reason != "" {
			return fmt.Errorf("Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation "+
				"failed for %s=%d, %s for configuration Invalid dynamic configuration", key, is, reason)
		}
	}
	return nil
}
