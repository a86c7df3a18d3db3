package config

import (
	"strings"
	"testing"
)

func combined() map[string]string {
	return map[string]string{
		"process.roles": "broker,controller", "node.id": "3", "log.dirs": "/a,/b", "metadata.log.dir": "/m",
		"listeners":                           "PLAINTEXT://:9092,CONTROLLER://localhost:9093",
		"advertised.listeners":                "PLAINTEXT://box:9092",
		"controller.listener.names":           "CONTROLLER",
		"controller.quorum.bootstrap.servers": "localhost:9093",
	}
}

func TestLoadCombinedNode(t *testing.T) {
	n, err := Load(combined())
	if err != nil {
		t.Fatal(err)
	}
	if !n.Broker || !n.Controller || n.ID != 3 {
		t.Errorf("roles or id: %+v", n)
	}
	if len(n.Listeners) != 1 || n.Listeners[0].Port != 9092 || len(n.ControllerListeners) != 1 || n.ControllerListeners[0].Host != "localhost" {
		t.Errorf("listeners %v %v", n.Listeners, n.ControllerListeners)
	}
	if len(n.Advertised) != 1 || n.Advertised[0].Host != "box" {
		t.Errorf("advertised %v", n.Advertised)
	}
	if got := strings.Join(n.AllDirs(), " "); got != "/m /a /b" || n.MetadataDir != "/m" {
		t.Errorf("dirs %s, metadata %s", got, n.MetadataDir)
	}
}

func TestLoadTellsWhatIsWrong(t *testing.T) {
	for key, c := range map[string]struct{ value, want string }{
		"node.id":                   {"x", "node.id"},
		"num.partitions":            {"0", "num.partitions"},
		"controller.listener.names": {"", "controller.listener.names"},
		"listeners":                 {"PLAINTEXT:9092", "PLAINTEXT:9092"},
	} {
		props := combined()
		props[key] = c.value
		if _, err := Load(props); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: error %v does not name %q", key, c.value, err, c.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	got := strings.Join(Warnings(map[string]string{"log.retentoin.hours": "1", "sasl.oauthbearer.scope": "x", "sasl.kerberos.service.name": "y", "node.id": "1"}), "\n")
	want := "unknown property log.retentoin.hours is ignored; did you mean log.retention.hours?\nset but without effect yet: sasl.kerberos.service.name, sasl.oauthbearer.scope"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
