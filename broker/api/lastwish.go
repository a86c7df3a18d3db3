package api

import "github.com/gregorbroker/gregor/protocol/ids"

// lastWishes is what a request wants of partitions, in the order in which it first
// names them. Of several wishes for one partition the last counts, as in Kafka.
type lastWishes[T any] struct {
	order []ids.TopicPartition
	of    map[ids.TopicPartition]T
}

func (w *lastWishes[T]) add(tp ids.TopicPartition, wish T) {
	if w.of == nil {
		w.of = map[ids.TopicPartition]T{}
	}
	if _, again := w.of[tp]; !again {
		w.order = append(w.order, tp)
	}
	w.of[tp] = wish
}

// each calls answer for every partition with the place of its topic among the
// topics of the answer, and begin before, for a topic that has none yet.
func (w *lastWishes[T]) each(begin func(topic string), answer func(at int, tp ids.TopicPartition, wish T)) {
	at := map[string]int{}
	for _, tp := range w.order {
		i, known := at[tp.Topic]
		if !known {
			i = len(at)
			at[tp.Topic] = i
			begin(tp.Topic)
		}
		answer(i, tp, w.of[tp])
	}
}
