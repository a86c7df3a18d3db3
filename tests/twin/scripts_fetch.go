package twin

import "github.com/twmb/franz-go/pkg/kmsg"

// fetch is a request for one partition that does not wait.
func (r *Run) fetch(topic, suffix string, partition int32, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, 0, 0, 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, r.ID(suffix)
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch, p.LastFetchedEpoch, p.LogStartOffset = partition, offset, 1<<20, -1, -1, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// filled makes a topic with two batches of three records in partition 0.
func filled(r *Run, configs ...string) string {
	t := r.Topic("t", 2, configs...)
	r.Fill(t, "t", 0, Batch{N: 3})
	r.Fill(t, "t", 0, Batch{N: 3, Base: BaseTime + 100})
	return t
}

// with fetches from a filled topic after change has had its way with the request.
func with(offset int64, change func(*kmsg.FetchRequest)) func(*Run) {
	return func(r *Run) {
		req := r.fetch(filled(r), "t", 0, offset)
		if change != nil {
			change(req)
		}
		r.Send(req)
	}
}

func fetchScripts() []Script {
	part := func(q *kmsg.FetchRequest) *kmsg.FetchRequestTopicPartition { return &q.Topics[0].Partitions[0] }
	return []Script{
		{Key: 1, Name: "from the beginning", Run: with(0, nil)},
		{Key: 1, Name: "from the second batch", Run: with(3, nil)},
		{Key: 1, Name: "from the middle of a batch", Run: with(4, nil)},
		{Key: 1, Name: "at the end", Run: with(6, nil)},
		{Key: 1, Name: "at the end with minimum bytes, waiting 50 ms", Run: with(6, func(q *kmsg.FetchRequest) { q.MinBytes, q.MaxWaitMillis = 1, 50 })},
		{Key: 1, Name: "after the end", Run: with(7, nil)},
		{Key: 1, Name: "before the beginning", Run: with(-1, nil)},
		{Key: 1, Name: "read committed", Run: with(0, func(q *kmsg.FetchRequest) { q.IsolationLevel = 1 })},
		{Key: 1, Name: "one byte: the first batch comes whole", Run: with(0, func(q *kmsg.FetchRequest) { q.MaxBytes = 1; part(q).PartitionMaxBytes = 1 })},
		{Key: 1, Name: "partition limit of one batch", Run: with(0, func(q *kmsg.FetchRequest) { part(q).PartitionMaxBytes = 140 })},
		{Key: 1, Name: "leader epoch of the future", From: 9, Run: with(0, func(q *kmsg.FetchRequest) { part(q).CurrentLeaderEpoch = 9 })},
		{Key: 1, Name: "right leader epoch", From: 9, Run: with(0, func(q *kmsg.FetchRequest) { part(q).CurrentLeaderEpoch = 0 })},
		{Key: 1, Name: "last fetched epoch that never was", From: 12, Run: with(0, func(q *kmsg.FetchRequest) { part(q).LastFetchedEpoch = 3 })},
		{Key: 1, Name: "unknown topic", Run: func(r *Run) { r.Send(r.fetch(r.Name("none"), "none", 0, 0)) }},
		{Key: 1, Name: "unknown topic id", From: 13, Run: func(r *Run) {
			req := r.fetch("", "", 0, 0)
			req.Topics[0].TopicID = [16]byte{1, 2, 3}
			r.Send(req)
		}},
		{Key: 1, Name: "unknown partition", Run: func(r *Run) { r.Send(r.fetch(r.Topic("t", 1), "t", 8, 0)) }},
		{Key: 1, Name: "nothing at all", Run: func(r *Run) {
			req := r.fetch("", "", 0, 0)
			req.Topics = nil
			r.Send(req)
		}},
		{Key: 1, Name: "good and unknown partition", Run: with(0, func(q *kmsg.FetchRequest) {
			p := *part(q)
			p.Partition = 9
			q.Topics[0].Partitions = append(q.Topics[0].Partitions, p)
		})},
		{Key: 1, Name: "compressed batches stay as they are", Run: func(r *Run) {
			t := r.Topic("t", 1)
			r.Fill(t, "t", 0, Batch{N: 3})
			r.Send(r.fetch(t, "t", 0, 0))
		}},
		{Key: 1, Name: "idempotent batches", Run: func(r *Run) {
			t := r.Topic("t", 1)
			pid := r.PID()
			r.Fill(t, "t", 0, Batch{N: 3, PID: pid})
			r.Send(r.fetch(t, "t", 0, 0))
		}},
		{Key: 1, Name: "log append time", Hide: []string{"CRC"}, Run: func(r *Run) { r.Send(r.fetch(filled(r, "message.timestamp.type=LogAppendTime"), "t", 0, 0)) }},
		{Key: 1, Name: "session: unknown id", From: 7, Run: with(0, func(q *kmsg.FetchRequest) { q.SessionID, q.SessionEpoch = 12345, 1 })},
		{Key: 1, Name: "session: negative epoch with an id", From: 7, Run: with(0, func(q *kmsg.FetchRequest) { q.SessionID, q.SessionEpoch = 12345, -1 })},
		{Key: 1, Name: "session: made, used, wrong epoch, closed", From: 7, Run: session},
		{Key: 1, Name: "session: a partition forgotten and one added", From: 7, Run: sessionChanges},
		{Key: 1, Name: "as a replica that is none", To: 14, Run: with(0, func(q *kmsg.FetchRequest) { q.ReplicaID = 7 })},
		{Key: 1, Name: "as a replica that is none, in the tag", From: 15, Run: with(0, func(q *kmsg.FetchRequest) { q.ReplicaState.ID, q.ReplicaState.Epoch = 7, 1 })},
	}
}

func session(r *Run) {
	t := filled(r)
	req := r.fetch(t, "t", 0, 0)
	req.SessionEpoch = 0
	resp, ok := r.Send(req).(*kmsg.FetchResponse)
	if !ok {
		return
	}
	next := r.fetch(t, "t", 0, 6)
	next.SessionID, next.SessionEpoch = resp.SessionID, 1
	r.Send(next)
	empty := r.fetch("", "", 0, 0)
	empty.Topics, empty.SessionID, empty.SessionEpoch = nil, resp.SessionID, 2
	r.Send(empty) // nothing new: no topics in the answer
	r.Fill(t, "t", 0, Batch{N: 1, Base: BaseTime + 900})
	empty.SessionEpoch = 3
	r.Send(empty) // news
	empty.SessionEpoch = 9
	r.Send(empty) // wrong epoch
	empty.SessionEpoch = -1
	r.Send(empty) // close
	empty.SessionEpoch = 4
	r.Send(empty) // gone
}

func sessionChanges(r *Run) {
	t := filled(r)
	req := r.fetch(t, "t", 0, 0)
	req.SessionEpoch = 0
	resp, ok := r.Send(req).(*kmsg.FetchResponse)
	if !ok {
		return
	}
	change := r.fetch(t, "t", 1, 0)
	change.SessionID, change.SessionEpoch = resp.SessionID, 1
	f := kmsg.NewFetchRequestForgottenTopic()
	f.Topic, f.TopicID, f.Partitions = t, r.ID("t"), []int32{0}
	change.ForgottenTopics = append(change.ForgottenTopics, f)
	r.Send(change)
	r.Fill(t, "t", 1, Batch{N: 1})
	empty := r.fetch("", "", 0, 0)
	empty.Topics, empty.SessionID, empty.SessionEpoch = nil, resp.SessionID, 2
	r.Send(empty)
}
