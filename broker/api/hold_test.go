package api

import "testing"

// What clients say of themselves, as they were seen to.
func TestWhoseHeartbeatsAreHeld(t *testing.T) {
	for _, x := range []struct {
		name, version, clientID string
		classic, consumer       bool
	}{
		{"apache-kafka-java", "4.3.1", "consumer-g-1", true, true},
		{"librdkafka", "2.16.0", "rdkafka", true, false},
		{"confluent-kafka-python", "2.16.1-rdkafka-2.16.0", "rdkafka", true, false},
		{"confluent-kafka-go", "2.6.1-librdkafka-2.6.1", "rdkafka", true, false},
		{"kgo", "v1.20.0", "kgo", false, false},
		{"", "", "kgo", false, false},
		{"kafkajs", "2.2.4", "kafkajs", false, false},
		{"", "", "own", false, true},
	} {
		if got := goesPast(x.name, x.version, x.clientID, classicProtocol); got != x.classic {
			t.Errorf("%+v: a classic heartbeat is held: %v", x, got)
		}
		if got := goesPast(x.name, x.version, x.clientID, consumerProtocol); got != x.consumer {
			t.Errorf("%+v: a heartbeat of KIP-848 is held: %v", x, got)
		}
	}
}
