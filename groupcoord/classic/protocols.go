package classic

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerType is the protocol type of consumers, whose metadata we can read.
const consumerType = "consumer"

// accepts tells whether a member with these protocols fits into the group.
func (g *Group) accepts(kind string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if g.state == Empty {
		return kind != "" && len(protocols) > 0
	}
	if kind != g.kind || g.kind == "" {
		return false
	}
	for i := range protocols {
		if g.supported[protocols[i].Name] == g.members.len() {
			return true
		}
	}
	return false
}

// selectProtocol lets every member vote for the first protocol it lists that
// all support. Of those with most votes the one that the member that is
// longest in the group prefers wins.
func (g *Group) selectProtocol() string {
	votes := map[string]int{}
	for m := g.members.first; m != nil; m = m.next {
		for i := range m.Protocols {
			if g.supported[m.Protocols[i].Name] == g.members.len() {
				votes[m.Protocols[i].Name]++
				break
			}
		}
	}
	best := ""
	for i := range g.members.first.Protocols {
		if name := g.members.first.Protocols[i].Name; votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// subscriptions is what the members' consumer metadata say they read; nil when
// the group isn't one of consumers, or somebody's metadata can't be read.
func (g *Group) subscriptions() map[string]struct{} {
	if g.kind != consumerType {
		return nil
	}
	all := map[string]struct{}{}
	if g.members.len() == 0 {
		return all
	}
	if g.protocol == nil {
		return nil
	}
	for m := g.members.first; m != nil; m = m.next {
		if !subscribedTopics(m.metadata(*g.protocol), all) {
			return nil
		}
	}
	return all
}

// subscribedTopics adds the topics of a consumer's metadata to all. Only what
// version 0 has is read; every later version begins with it:
//
//	int16 version | int32 count | count × (int16 length, name) | …
func subscribedTopics(b []byte, all map[string]struct{}) bool {
	if len(b) < 6 || int16(binary.BigEndian.Uint16(b)) < 0 {
		return false
	}
	n := int32(binary.BigEndian.Uint32(b[2:]))
	b = b[6:]
	if n < 0 || int(n) > len(b)/2 {
		return false
	}
	for range n {
		if len(b) < 2 {
			return false
		}
		size := int(int16(binary.BigEndian.Uint16(b)))
		if size < 0 || size > len(b)-2 {
			return false
		}
		all[string(b[2:2+size])] = struct{}{}
		b = b[2+size:]
	}
	return len(b) >= 4 && userDataFits(b)
}

// userDataFits checks the length of the opaque bytes that follow the topics.
func userDataFits(b []byte) bool {
	n := int32(binary.BigEndian.Uint32(b))
	return n < 0 || int(n) <= len(b)-4
}

// Subscribed tells whether the group may be reading the topic: its offsets must
// stay then. A group of consumers that can't be read may read anything.
func (g *Group) Subscribed(topic string) bool {
	if g.topics == nil {
		return g.kind == consumerType
	}
	_, ok := g.topics[topic]
	return ok
}
