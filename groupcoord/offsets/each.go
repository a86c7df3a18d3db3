package offsets

import "github.com/gregorbroker/gregor/protocol/ids"

// CountOf is the number of offsets that a group has committed.
func (s *Store) CountOf(group string) int {
	n := 0
	for _, parts := range s.groups[group] {
		n += len(parts)
	}
	return n
}

// EachOf calls f with every offset that a group has committed, in order.
func (s *Store) EachOf(group string, f func(topic string, id ids.TopicID, partition int32, offset ids.Offset)) {
	for _, topic := range s.topicsOf(group) {
		parts := s.groups[group][topic]
		for _, n := range parts.numbers() {
			f(topic, parts[n].TopicID, n, parts[n].Offset)
		}
	}
}
