package decide

import (
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteTopics deletes topics named by name or by id. What is named twice, be
// it once so and once so, is not deleted.
func DeleteTopics(e *Env, req *kmsg.DeleteTopicsRequest) (Decision, error) {
	if !e.Config.Bool("delete.topic.enable") {
		if req.Version < 3 {
			return Decision{}, fail(kerr.InvalidRequest, "This version does not support topic deletion.")
		}
		return Decision{}, &Error{Code: kerr.TopicDeletionDisabled.Code}
	}
	w := deletion{env: e, resp: req.ResponseKind().(*kmsg.DeleteTopicsResponse)}
	names, topicIDs := w.read(req)
	chosen := w.resolve(names, topicIDs)
	d := Decision{Atomic: true, Reply: w.resp}
	for _, t := range chosen {
		err := e.charge(len(t.Partitions))
		if err == nil {
			d.add(&records.RemoveTopicRecord{TopicID: t.ID}, 0)
		}
		w.answer(&t.Name, t.ID, err)
	}
	if len(d.Records) > MaxRecords {
		return Decision{}, errTooMany()
	}
	return d, nil
}

type deletion struct {
	env  *Env
	resp *kmsg.DeleteTopicsResponse
}

func (w *deletion) answer(name *string, id ids.TopicID, err *Error) {
	t := kmsg.NewDeleteTopicsResponseTopic()
	t.Topic, t.TopicID, t.ErrorCode, t.ErrorMessage = name, id, err.code(), err.message()
	w.resp.Topics = append(w.resp.Topics, t)
}

// read returns the names and ids that are there once, and answers for the rest.
func (w *deletion) read(req *kmsg.DeleteTopicsRequest) (names []string, topicIDs []ids.TopicID) {
	var allNames []string
	var allIDs []ids.TopicID
	allNames = append(allNames, req.TopicNames...)
	for _, t := range req.Topics {
		id := ids.TopicID(t.TopicID)
		switch {
		case t.Topic == nil && id.IsZero():
			w.answer(nil, id, fail(kerr.InvalidRequest, "Neither topic name nor id were specified."))
		case t.Topic == nil:
			allIDs = append(allIDs, id)
		case id.IsZero():
			allNames = append(allNames, *t.Topic)
		default:
			w.answer(t.Topic, id, fail(kerr.InvalidRequest, "You may not specify both topic name and topic id."))
		}
	}
	onceNames, twiceNames := splitTwice(allNames, func(s *string) string { return *s })
	onceIDs, twiceIDs := splitTwice(allIDs, func(id *ids.TopicID) string { return string(id[:]) })
	for _, n := range twiceNames {
		w.answer(&n, ids.TopicID{}, fail(kerr.InvalidRequest, "Duplicate topic name."))
	}
	for _, id := range twiceIDs {
		w.answer(nil, ids.TopicID([]byte(id)), fail(kerr.InvalidRequest, "Duplicate topic id."))
	}
	for _, n := range onceNames {
		names = append(names, *n)
	}
	for _, id := range onceIDs {
		topicIDs = append(topicIDs, *id)
	}
	return names, topicIDs
}

// resolve finds the topics, each once, and answers for those that are not there.
func (w *deletion) resolve(names []string, topicIDs []ids.TopicID) []*image.Topic {
	byID := map[ids.TopicID]bool{}
	var chosen []*image.Topic
	for _, id := range topicIDs {
		t := w.env.Image.Topics.ByID(id)
		if t == nil {
			w.answer(nil, id, fail(kerr.UnknownTopicID, "This server does not host this topic ID."))
			continue
		}
		byID[id] = true
		chosen = append(chosen, t)
	}
	for _, n := range names {
		t := w.env.Image.Topics.ByName(n)
		if t == nil {
			w.answer(&n, ids.TopicID{}, fail(kerr.UnknownTopicOrPartition, "This server does not host this topic-partition."))
			continue
		}
		if byID[t.ID] {
			w.answer(&n, t.ID, fail(kerr.InvalidRequest, "The provided topic name maps to an ID that was already supplied."))
			chosen = dropTopic(chosen, t)
			continue
		}
		chosen = append(chosen, t)
	}
	return chosen
}

func dropTopic(from []*image.Topic, t *image.Topic) []*image.Topic {
	var out []*image.Topic
	for _, x := range from {
		if x != t {
			out = append(out, x)
		}
	}
	return out
}
