package twin

import "github.com/twmb/franz-go/pkg/kmsg"

// edgeScripts are requests of the data path that no client of today sends.
func edgeScripts() []Script {
	return append(append(edgesOfWriting(), edgesOfFetching()...), edgesOfAsking()...)
}

// asking sends what change makes of a request about a filled topic.
func asking[Q kmsg.Request](make func(*Run, string) Q, change func(Q)) func(*Run) {
	return func(r *Run) {
		req := make(r, filled(r))
		change(req)
		r.Send(req)
	}
}

func edgesOfWriting() []Script {
	produce := func(r *Run, t string) *kmsg.ProduceRequest { return r.Produce(t, "t", 0, 1, Batch{N: 1}.Bytes()) }
	deletion := func(_ *Run, t string) *kmsg.DeleteRecordsRequest { return deleteRecords(t, 0, 2) }
	scripts := []Script{
		{Key: 0, Name: "no topic at all", Run: asking(produce, func(q *kmsg.ProduceRequest) { q.Topics = nil })},
		{Key: 0, Name: "topic without partitions", Run: asking(produce, func(q *kmsg.ProduceRequest) { q.Topics[0].Partitions = nil })},
		{Key: 0, Name: "acks=all and no time", Run: asking(produce, func(q *kmsg.ProduceRequest) { q.Acks, q.TimeoutMillis = -1, 0 })},
		{Key: 0, Name: "acks=all and less than no time", Run: asking(produce, func(q *kmsg.ProduceRequest) { q.Acks, q.TimeoutMillis = -1, -7 })},
		{Key: 0, Name: "a transactional id and a batch of no transaction", Run: asking(produce, func(q *kmsg.ProduceRequest) { q.TransactionID = kmsg.StringPtr("x") })},
		{Key: 0, Name: "same partition twice", Run: func(r *Run) {
			t := filled(r)
			req := r.Produce(t, "t", 0, 1, Batch{N: 1}.Bytes())
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Records: Batch{N: 2}.Bytes()})
			r.Send(req)
			end := list(t, 0, -1)
			end.Version = 5
			r.Send(end)
		}},
		{Key: 0, Name: "acks=0 and a transactional batch", Run: func(r *Run) {
			r.SendNoReply(r.Produce(r.Topic("t", 1), "t", 0, 0, Batch{N: 1, Attributes: 1 << 4, PID: 5}.Bytes()))
			r.Send(r.Produce(r.Name("t"), "t", 0, 1, Batch{N: 1}.Bytes()))
		}},
		{Key: 0, Name: "acks=0 to a partition that is none", Run: func(r *Run) {
			r.SendNoReply(r.Produce(r.Topic("t", 1), "t", 9, 0, Batch{N: 1}.Bytes()))
			r.Send(r.Produce(r.Name("t"), "t", 0, 1, Batch{N: 1}.Bytes()))
		}},
		{Key: 0, Name: "acks=0 and a batch that is none", Run: func(r *Run) {
			r.SendNoReply(r.Produce(r.Topic("t", 1), "t", 0, 0, []byte("this is no record batch at all")))
			r.Send(r.Produce(r.Name("t"), "t", 0, 1, Batch{N: 1}.Bytes()))
		}},
		{Key: 21, Name: "same partition twice", Run: asking(deletion, func(q *kmsg.DeleteRecordsRequest) {
			again := q.Topics[0].Partitions[0]
			again.Offset = 4
			q.Topics[0].Partitions = append(q.Topics[0].Partitions, again)
		})},
		{Key: 21, Name: "same topic twice", Run: asking(deletion, func(q *kmsg.DeleteRecordsRequest) {
			t := q.Topics[0]
			t.Partitions = []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 1, Offset: 0}}
			q.Topics = append(q.Topics, t)
		})},
		{Key: 21, Name: "no topic at all", Run: asking(deletion, func(q *kmsg.DeleteRecordsRequest) { q.Topics = nil })},
		{Key: 21, Name: "topic without partitions", Run: asking(deletion, func(q *kmsg.DeleteRecordsRequest) { q.Topics[0].Partitions = nil })},
		{Key: 21, Name: "no time", Run: asking(deletion, func(q *kmsg.DeleteRecordsRequest) { q.TimeoutMillis = 0 })},
		{Key: 21, Name: "negative partition", Run: func(r *Run) { r.Send(deleteRecords(filled(r), -1, 1)) }},
		{Key: 21, Name: "compacted and deleted topic", Run: func(r *Run) { r.Send(deleteRecords(filled(r, "cleanup.policy=compact,delete"), 0, 1)) }},
		{Key: 22, Name: "epoch without an id", From: 3, Run: func(r *Run) { r.PID(); r.Send(initPID(nil, 60000, -1, 3)) }},
		{Key: 22, Name: "id and epoch of an idempotent producer", From: 3, Run: func(r *Run) { r.PID(); r.Send(initPID(nil, 60000, 5, 3)) }},
		{Key: 22, Name: "less than no time", Run: func(r *Run) { r.PID(); r.Send(initPID(nil, -1, -1, -1)) }},
		{Key: 22, Name: "id and epoch below none", From: 3, Run: func(r *Run) { r.PID(); r.Send(initPID(nil, 60000, -3, -3)) }},
	}
	for i := range scripts {
		if scripts[i].Key == 0 {
			scripts[i].From = 3
		}
	}
	return scripts
}

func edgesOfFetching() []Script {
	part := func(q *kmsg.FetchRequest) *kmsg.FetchRequestTopicPartition { return &q.Topics[0].Partitions[0] }
	return []Script{
		{Key: 1, Name: "same partition twice", Run: with(0, func(q *kmsg.FetchRequest) {
			again := *part(q)
			again.FetchOffset = 3
			q.Topics[0].Partitions = append(q.Topics[0].Partitions, again)
		})},
		{Key: 1, Name: "same topic twice", Run: with(0, func(q *kmsg.FetchRequest) {
			t := q.Topics[0]
			t.Partitions = append(t.Partitions[:0:0], t.Partitions...)
			t.Partitions[0].Partition = 1
			q.Topics = append(q.Topics, t)
		})},
		{Key: 1, Name: "topic without partitions", Run: with(0, func(q *kmsg.FetchRequest) { q.Topics[0].Partitions = nil })},
		{Key: 1, Name: "no bytes at all", Run: with(0, func(q *kmsg.FetchRequest) { q.MaxBytes = 0; part(q).PartitionMaxBytes = 0 })},
		{Key: 1, Name: "less than no bytes", Run: with(0, func(q *kmsg.FetchRequest) { q.MaxBytes = -1 })},
		{Key: 1, Name: "less than no bytes of a partition", Run: with(0, func(q *kmsg.FetchRequest) { part(q).PartitionMaxBytes = -1 })},
		{Key: 1, Name: "less than no minimum, and less than no time", Run: with(6, func(q *kmsg.FetchRequest) { q.MinBytes, q.MaxWaitMillis = -5, -5 })},
		{Key: 1, Name: "isolation that is none", Run: with(0, func(q *kmsg.FetchRequest) { q.IsolationLevel = 7 })},
		{Key: 1, Name: "by a debugger", To: 14, Run: with(0, func(q *kmsg.FetchRequest) { q.ReplicaID = -2 })},
		{Key: 1, Name: "negative partition", Run: with(0, func(q *kmsg.FetchRequest) { part(q).Partition = -1 })},
		{Key: 1, Name: "leader epoch below none", From: 9, Run: with(0, func(q *kmsg.FetchRequest) { part(q).CurrentLeaderEpoch = -3 })},
		{Key: 1, Name: "last fetched epoch at the end", From: 12, Run: with(6, func(q *kmsg.FetchRequest) { part(q).LastFetchedEpoch = 0 })},
		{Key: 1, Name: "last fetched epoch beyond the end", From: 12, Run: with(9, func(q *kmsg.FetchRequest) { part(q).LastFetchedEpoch = 0 })},
		{Key: 1, Name: "the rest of a segment, however many bytes are wanted", Run: func(r *Run) {
			req := r.fetch(filled(r, "internal.segment.bytes=150"), "t", 0, 0)
			req.MinBytes, req.MaxWaitMillis = 100_000, 60_000
			r.Send(req)
		}},
		{Key: 1, Name: "session: of nothing", From: 7, Run: func(r *Run) {
			req := r.fetch("", "", 0, 0)
			req.Topics, req.SessionEpoch = nil, 0
			resp, ok := r.Send(req).(*kmsg.FetchResponse)
			if !ok {
				return
			}
			req.SessionID, req.SessionEpoch = resp.SessionID, 1
			r.Send(req)
			req.SessionEpoch = 2
			r.Send(req)
		}},
		{Key: 1, Name: "session: all forgotten", From: 7, Run: func(r *Run) {
			sessionOf(r, func(t string, next *kmsg.FetchRequest) {
				next.ForgottenTopics = append(next.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: t, TopicID: r.ID("t"), Partitions: []int32{0}})
				r.Send(next)
				next.ForgottenTopics, next.SessionEpoch = nil, 2
				r.Send(next)
			})
		}},
		{Key: 1, Name: "session: forgotten what was never there", From: 7, Run: func(r *Run) {
			sessionOf(r, func(t string, next *kmsg.FetchRequest) {
				next.ForgottenTopics = append(next.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: t, TopicID: r.ID("t"), Partitions: []int32{1, 9, -1}})
				r.Send(next)
			})
		}},
		{Key: 1, Name: "session: added and forgotten at once", From: 7, Run: func(r *Run) {
			sessionOf(r, func(t string, next *kmsg.FetchRequest) {
				next.Topics = r.fetch(t, "t", 1, 0).Topics
				next.ForgottenTopics = append(next.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: t, TopicID: r.ID("t"), Partitions: []int32{1}})
				r.Send(next)
			})
		}},
		{Key: 1, Name: "session: a partition that is unknown, twice", From: 7, Run: func(r *Run) {
			sessionOf(r, func(t string, next *kmsg.FetchRequest) {
				next.Topics = r.fetch(t, "t", 7, 0).Topics
				r.Send(next)
				next.Topics, next.SessionEpoch = nil, 2
				r.Send(next)
			})
		}},
		{Key: 1, Name: "session: a full fetch ends it", From: 7, Run: func(r *Run) {
			sessionOf(r, func(t string, next *kmsg.FetchRequest) {
				full := r.fetch(t, "t", 0, 0)
				full.SessionID, full.SessionEpoch = next.SessionID, 0
				r.Send(full)
				r.Send(next)
			})
		}},
		{Key: 1, Name: "session: its topic is another", From: 7, Run: func(r *Run) {
			sessionOf(r, func(t string, next *kmsg.FetchRequest) {
				r.dropTopic(t)
				r.Topic("t", 1)
				r.Send(next)
				next.SessionEpoch = 2
				r.Send(next)
			})
		}},
		{Key: 1, Name: "session: its topic is deleted", From: 7, Run: func(r *Run) {
			sessionOf(r, func(t string, next *kmsg.FetchRequest) {
				r.dropTopic(t)
				r.Send(next)
				next.SessionEpoch = 2
				r.Send(next)
			})
		}},
	}
}

// sessionOf opens a session of one partition, read to its end, and hands on the next request.
func sessionOf(r *Run, then func(topic string, next *kmsg.FetchRequest)) {
	t := filled(r)
	req := r.fetch(t, "t", 0, 6)
	req.SessionEpoch = 0
	resp, ok := r.Send(req).(*kmsg.FetchResponse)
	if !ok {
		return
	}
	next := r.fetch("", "", 0, 0)
	next.Topics, next.SessionID, next.SessionEpoch = nil, resp.SessionID, 1
	then(t, next)
}

// dropTopic deletes a topic and waits until the broker has none of that name.
func (r *Run) dropTopic(name string) {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version, req.TimeoutMillis, req.TopicNames = 5, 30000, []string{name}
	r.Do(req)
	gone := list(name, 0, -1)
	gone.Version = 5
	r.Eventually("end of "+name, func() bool {
		return r.Do(gone).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode == 3
	})
}

func edgesOfAsking() []Script {
	latest := func(_ *Run, t string) *kmsg.ListOffsetsRequest { return list(t, 0, -1) }
	epoch := func(_ *Run, t string) *kmsg.OffsetForLeaderEpochRequest { return epochEnd(t, 0, -1, 0) }
	pages := func(_ *Run, t string) *kmsg.DescribeTopicPartitionsRequest { return describeTopics(2000, t) }
	cursor := func(topic string, partition int32) *kmsg.DescribeTopicPartitionsRequestCursor {
		return &kmsg.DescribeTopicPartitionsRequestCursor{Topic: topic, Partition: partition}
	}
	return []Script{
		{Key: 2, Name: "no topic at all", Run: asking(latest, func(q *kmsg.ListOffsetsRequest) { q.Topics = nil })},
		{Key: 2, Name: "topic without partitions", Run: asking(latest, func(q *kmsg.ListOffsetsRequest) { q.Topics[0].Partitions = nil })},
		{Key: 2, Name: "isolation that is none", From: 2, Run: asking(latest, func(q *kmsg.ListOffsetsRequest) { q.IsolationLevel = 9 })},
		{Key: 2, Name: "by a debugger", Run: asking(latest, func(q *kmsg.ListOffsetsRequest) { q.ReplicaID = -2 })},
		{Key: 2, Name: "by a replica that is none", Run: asking(latest, func(q *kmsg.ListOffsetsRequest) { q.ReplicaID = 7 })},
		{Key: 2, Name: "negative partition", Run: func(r *Run) { r.Send(list(filled(r), -1, -1)) }},
		{Key: 2, Name: "leader epoch below none", From: 4, Run: asking(latest, func(q *kmsg.ListOffsetsRequest) { q.Topics[0].Partitions[0].CurrentLeaderEpoch = -3 })},
		{Key: 2, Name: "earliest, after records were deleted", Run: func(r *Run) {
			t := filled(r)
			req := deleteRecords(t, 0, 4)
			req.Version = 2
			r.Do(req)
			r.Send(list(t, 0, -2))
			r.Send(list(t, 0, -3))
			r.Send(list(t, 0, BaseTime))
		}},
		{Key: 23, Name: "no topic at all", Run: asking(epoch, func(q *kmsg.OffsetForLeaderEpochRequest) { q.Topics = nil })},
		{Key: 23, Name: "topic without partitions", Run: asking(epoch, func(q *kmsg.OffsetForLeaderEpochRequest) { q.Topics[0].Partitions = nil })},
		{Key: 23, Name: "same topic twice", Run: asking(epoch, func(q *kmsg.OffsetForLeaderEpochRequest) {
			t := q.Topics[0]
			t.Partitions = append(t.Partitions[:0:0], t.Partitions...)
			t.Partitions[0].Partition = 1
			q.Topics = append(q.Topics, t)
		})},
		{Key: 23, Name: "same partition twice", Run: asking(epoch, func(q *kmsg.OffsetForLeaderEpochRequest) {
			q.Topics[0].Partitions = append(q.Topics[0].Partitions, q.Topics[0].Partitions[0])
		})},
		{Key: 23, Name: "epoch that is none", Run: func(r *Run) { r.Send(epochEnd(filled(r), 0, -1, -1)) }},
		{Key: 23, Name: "epoch below none", Run: func(r *Run) { r.Send(epochEnd(filled(r), 0, -1, -4)) }},
		{Key: 23, Name: "current leader epoch below none", Run: func(r *Run) { r.Send(epochEnd(filled(r), 0, -3, 0)) }},
		{Key: 23, Name: "unknown partition", Run: func(r *Run) { r.Send(epochEnd(filled(r), 8, -1, 0)) }},
		{Key: 23, Name: "by a replica that is none", From: 3, Run: asking(epoch, func(q *kmsg.OffsetForLeaderEpochRequest) { q.ReplicaID = 7 })},
		{Key: 61, Name: "invalid topic name", Run: func(r *Run) { r.Send(producers("bad/name", 0)) }},
		{Key: 61, Name: "same partition twice", Run: func(r *Run) {
			req := producers(filled(r), 0)
			req.Topics[0].Partitions = []int32{0, 0}
			r.Send(req)
		}},
		{Key: 61, Name: "topic without partitions", Run: func(r *Run) {
			req := producers(filled(r), 0)
			req.Topics[0].Partitions = nil
			r.Send(req)
		}},
		{Key: 61, Name: "same topic twice", Run: func(r *Run) {
			req := producers(filled(r), 0)
			t := req.Topics[0]
			t.Partitions = []int32{1}
			req.Topics = append(req.Topics, t)
			r.Send(req)
		}},
		{Key: 61, Name: "no topic at all", Run: func(r *Run) { r.Send(kmsg.NewPtrDescribeProducersRequest()) }},
		{Key: 61, Name: "two epochs of a producer", Run: func(r *Run) {
			t, pid := r.Topic("t", 1), r.PID()
			r.Fill(t, "t", 0, Batch{N: 3, PID: pid})
			r.Fill(t, "t", 0, Batch{N: 2, PID: pid, Epoch: 1})
			r.Send(producers(t, 0))
		}},
		{Key: 3, Name: "same topic twice", Run: func(r *Run) { t := r.Topic("t", 1); r.Send(metadata(t, t)) }},
		{Key: 3, Name: "empty name", From: 4, Run: func(r *Run) { r.Send(metadata("")) }},
		{Key: 3, Name: "the same id twice, and a name", From: 12, Run: func(r *Run) {
			r.Topic("t", 1)
			req := metadata("", "", r.Topic("u", 1))
			req.Topics[0].Topic, req.Topics[0].TopicID = nil, r.ID("t")
			req.Topics[1].Topic, req.Topics[1].TopicID = nil, r.ID("t")
			r.Send(req)
		}},
		{Key: 3, Name: "neither name nor id", From: 12, Run: func(r *Run) {
			req := metadata("")
			req.Topics[0].Topic = nil
			r.Send(req)
		}},
		{Key: 75, Name: "same topic twice", Run: asking(pages, func(q *kmsg.DescribeTopicPartitionsRequest) { q.Topics = append(q.Topics, q.Topics[0]) })},
		{Key: 75, Name: "limit of nothing", Run: asking(pages, func(q *kmsg.DescribeTopicPartitionsRequest) { q.ResponsePartitionLimit = 0 })},
		{Key: 75, Name: "limit below nothing", Run: asking(pages, func(q *kmsg.DescribeTopicPartitionsRequest) { q.ResponsePartitionLimit = -4 })},
		{Key: 75, Name: "invalid name", Run: asking(pages, func(q *kmsg.DescribeTopicPartitionsRequest) { q.Topics[0].Topic = "bad/name" })},
		{Key: 75, Name: "cursor behind the partitions", Run: asking(pages, func(q *kmsg.DescribeTopicPartitionsRequest) { q.Cursor = cursor(q.Topics[0].Topic, 5) })},
		{Key: 75, Name: "cursor at a topic that was not asked for", Run: asking(pages, func(q *kmsg.DescribeTopicPartitionsRequest) { q.Cursor = cursor("a", 0) })},
		{Key: 75, Name: "cursor at a topic that is none", Run: asking(pages, func(q *kmsg.DescribeTopicPartitionsRequest) {
			q.Topics = append(q.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: "a-topic-that-is-none"})
			q.Cursor = cursor("a-topic-that-is-none", 3)
		})},
		{Key: 32, Name: "same resource twice", Run: func(r *Run) {
			req := describeConfigs(topicType, r.Topic("t", 1), "retention.ms")
			req.Resources = append(req.Resources, req.Resources[0])
			r.Send(req)
		}},
		{Key: 32, Name: "same key twice", Run: func(r *Run) { r.Send(describeConfigs(topicType, r.Topic("t", 1), "retention.ms", "retention.ms")) }},
		{Key: 44, Name: "no key at all", Run: altering()},
		{Key: 44, Name: "append twice the same", Run: altering("+ cleanup.policy=compact,compact")},
		{Key: 44, Name: "subtract all", Run: altering("~ cleanup.policy=delete,compact")},
		{Key: 44, Name: "append to a list of the broker's, only validated", Run: func(r *Run) {
			req := incremental(brokerType, "1", "+ log.cleanup.policy=compact")
			req.ValidateOnly = true
			r.Send(req)
		}},
	}
}
