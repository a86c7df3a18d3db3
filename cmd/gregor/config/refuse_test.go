package config

import (
	"strings"
	"testing"
)

// What a file asks for and would be left open, or taken for something else, stops
// the node before anything is made: a warning is read afterwards.
func TestLoadRefusesWhatWouldBeLeftOut(t *testing.T) {
	const open = "no TLS and SASL yet"
	for name, c := range map[string]struct {
		props map[string]string
		want  []string
	}{
		"a listener with TLS": {map[string]string{"listeners": "SSL://:9092,CONTROLLER://:9093", "advertised.listeners": "SSL://box:9092",
			"listener.security.protocol.map": "SSL:SSL,CONTROLLER:PLAINTEXT", "inter.broker.listener.name": "SSL"}, []string{"SSL://:9092", open}},
		"a listener with SASL under another name": {map[string]string{"listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
			"sasl.mechanism.inter.broker.protocol": "PLAIN", "sasl.enabled.mechanisms": "PLAIN", "inter.broker.listener.name": "PLAINTEXT"}, []string{"PLAINTEXT://:9092", "SASL_PLAINTEXT", open}},
		"controllers with TLS": {map[string]string{"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:SSL"}, []string{"CONTROLLER://localhost:9093", open}},
		"a broker of controllers with TLS": {map[string]string{"process.roles": "broker", "listeners": "PLAINTEXT://:9092",
			"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:SSL"}, []string{"controller.listener.names", open}},
		"an authorizer":             {map[string]string{"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"}, []string{"authorizer.class.name", "no ACLs yet"}},
		"a placeholder for a value": {map[string]string{"config.providers": "env,file", "log.dirs": "/data/${env:HOSTNAME}"}, []string{"log.dirs", "${env:HOSTNAME}", "no config.providers"}},
		"a placeholder with a path": {map[string]string{"config.providers": "env,file", "broker.rack": "${file:/etc/rack.properties:rack}"}, []string{"broker.rack", "${file:/etc/rack.properties:rack}"}},
		"one folder twice":          {map[string]string{"log.dirs": "/a,/b,/a/"}, []string{"Duplicate log directory found", "/a/"}},
		"two listeners on one port": {map[string]string{"gregor.http.listener": "127.0.0.1:9092"}, []string{"gregor.http.listener", "PLAINTEXT://:9092"}},
		"no address":                {map[string]string{"gregor.http.listener": "9404"}, []string{"gregor.http.listener", "host:port"}},
		"no port":                   {map[string]string{"gregor.http.listener": "localhost:http"}, []string{"gregor.http.listener", "host:port"}},
		"ZooKeeper":                 {map[string]string{"process.roles": "", "zookeeper.connect": "zk:2181"}, []string{"there is no ZooKeeper any more"}},
	} {
		props := combined()
		for k, v := range c.props {
			props[k] = v
		}
		_, err := Load(props)
		if err == nil {
			t.Errorf("%s was accepted", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q does not name %q", name, err, want)
			}
		}
	}
}

// What only looks like it is taken.
func TestLoadTakesTheRest(t *testing.T) {
	for name, c := range map[string]map[string]string{
		"a secured listener in the map alone": {"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTERNAL:SASL_SSL"},
		"an authorizer's users":               {"super.users": "User:admin", "authorizer.class.name": ""},
		"text that no provider has":           {"broker.rack": "${env:HOME}", "config.providers": "file"},
		"text without providers":              {"broker.rack": "${env:HOME}"},
		"a port of its own":                   {"gregor.http.listener": "127.0.0.1:9404"},
		"any port":                            {"gregor.http.listener": "[::1]:0"},
		"a port on another address":           {"gregor.http.listener": "127.0.0.1:9093", "listeners": "PLAINTEXT://:9092,CONTROLLER://10.0.0.1:9093"},
		"no port":                             {"gregor.http.listener": ""},
		"ZooKeeper's address in a new file":   {"zookeeper.connect": "zk:2181"},
	} {
		props := combined()
		for k, v := range c {
			props[k] = v
		}
		if _, err := Load(props); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What Kafka starts with too, and says is wrong.
func TestWarnsOfASlowHeart(t *testing.T) {
	props := combined()
	if got := Warnings(props); len(got) > 0 {
		t.Error(got)
	}
	props["broker.heartbeat.interval.ms"], props["broker.session.timeout.ms"] = "4501", "9000"
	if got := Warnings(props); len(got) != 1 || !strings.Contains(got[0], "(4501 ms) is more than half") {
		t.Error(got)
	}
	props["broker.heartbeat.interval.ms"] = "4500"
	if got := Warnings(props); len(got) > 0 {
		t.Error(got)
	}
}

// Keys of earlier releases are told apart from mistakes.
func TestWarningsOfKeysThatAreGone(t *testing.T) {
	got := strings.Join(Warnings(map[string]string{"zookeeper.session.timeout.ms": "1", "log.message.format.version": "2.8", "advertised.host.name": "x", "lisstener": "x"}), "\n")
	want := `property advertised.host.name is ignored, as in Apache Kafka 4: use advertised.listeners
unknown property lisstener is ignored; did you mean listeners?
property log.message.format.version is ignored, as in Apache Kafka 4: records are kept and sent in format 2, every client since 2.1 reads it
property zookeeper.session.timeout.ms is ignored, as in Apache Kafka 4: the metadata is with the controllers, not in ZooKeeper`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
