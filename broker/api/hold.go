package api

import (
	"strings"

	"github.com/gregorbroker/gregor/protocol/conn"
)

// protocol is one of the two group protocols.
type protocol uint8

const (
	classicProtocol protocol = iota
	consumerProtocol
)

// mayHold tells whether a heartbeat of this call's client may be held until there
// is news. A client must lose nothing by it: what it wants to say while a heartbeat
// is out must go past it, and release it. What clients do:
//
//	                    classic                     consumer (KIP-848)
//	apache-kafka-java   all else goes past it       leaves go past it; the rest waits for the
//	                                                interval, which runs from the last sending
//	librdkafka          all else goes past it       subscribe() waits for the answer: not held
//	kgo (franz-go)      its group loop waits for    the same: not held
//	                    the answer: not held
//	kafkajs and others  kafkajs stops consuming     only those that do not tell their names
//	                    until the answer: not held  are held: new connections of what is above
//	                                                do, so it is one of neither
//
// A connection that did not announce itself and bears franz-go's client id is
// franz-go's: it asks for versions once a broker, not once a connection.
func mayHold(c *conn.Call, p protocol) bool {
	name, version := c.Conn.Software()
	return goesPast(name, version, c.Header.ClientID, p)
}

// goesPast tells whether all that a client wants to say goes past a heartbeat that is out.
func goesPast(name, version, clientID string, p protocol) bool {
	switch {
	case name == "apache-kafka-java":
		return true
	case strings.Contains(name, "rdkafka") || strings.Contains(version, "rdkafka"):
		return p == classicProtocol
	default:
		return p == consumerProtocol && name == "" && clientID != "kgo"
	}
}
