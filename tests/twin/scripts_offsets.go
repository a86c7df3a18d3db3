package twin

import "github.com/twmb/franz-go/pkg/kmsg"

func list(topic string, partition int32, ts int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.TimeoutMillis = -1, 5000
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, ts, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// at lists one timestamp of a topic with two batches; the first holds offsets 0–2 at BaseTime…+2, the second 3–5 from +100 on.
func at(ts int64) func(*Run) { return func(r *Run) { r.Send(list(filled(r), 0, ts)) } }

func epochEnd(topic string, partition, current, epoch int32) *kmsg.OffsetForLeaderEpochRequest {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = topic
	p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = partition, current, epoch
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func deleteRecords(topic string, partition int32, offset int64) *kmsg.DeleteRecordsRequest {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 5000
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic = topic
	t.Partitions = append(t.Partitions, kmsg.DeleteRecordsRequestTopicPartition{Partition: partition, Offset: offset})
	req.Topics = append(req.Topics, t)
	return req
}

func offsetScripts() []Script {
	return []Script{
		{Key: 2, Name: "latest", Run: at(-1)},
		{Key: 2, Name: "earliest", Run: at(-2)},
		{Key: 2, Name: "highest timestamp", Run: at(-3)},
		{Key: 2, Name: "earliest local", Run: at(-4)},
		{Key: 2, Name: "latest tiered", Run: at(-5)},
		{Key: 2, Name: "earliest pending upload", Run: at(-6)},
		{Key: 2, Name: "special timestamp that is none", Run: at(-9)},
		{Key: 2, Name: "timestamp of the first record", Run: at(BaseTime)},
		{Key: 2, Name: "timestamp inside a batch", Run: at(BaseTime + 2)},
		{Key: 2, Name: "timestamp between batches", Run: at(BaseTime + 50)},
		{Key: 2, Name: "timestamp after all", Run: at(BaseTime + 5000)},
		{Key: 2, Name: "timestamp zero", Run: at(0)},
		{Key: 2, Name: "empty partition, latest", Run: func(r *Run) { r.Send(list(filled(r), 1, -1)) }},
		{Key: 2, Name: "empty partition, highest timestamp", Run: func(r *Run) { r.Send(list(filled(r), 1, -3)) }},
		{Key: 2, Name: "empty partition, a timestamp", Run: func(r *Run) { r.Send(list(filled(r), 1, 5)) }},
		{Key: 2, Name: "read committed", From: 2, Run: func(r *Run) {
			req := list(filled(r), 0, -1)
			req.IsolationLevel = 1
			r.Send(req)
		}},
		{Key: 2, Name: "unknown topic", Run: func(r *Run) { r.Send(list(r.Name("none"), 0, -1)) }},
		{Key: 2, Name: "unknown partition", Run: func(r *Run) { r.Send(list(r.Topic("t", 1), 5, -1)) }},
		{Key: 2, Name: "leader epoch of the future", From: 4, Run: func(r *Run) {
			req := list(filled(r), 0, -1)
			req.Topics[0].Partitions[0].CurrentLeaderEpoch = 4
			r.Send(req)
		}},
		{Key: 2, Name: "same partition twice", Run: func(r *Run) {
			req := list(filled(r), 0, -1)
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
			r.Send(req)
		}},
		{Key: 21, Name: "up to an offset", Run: func(r *Run) {
			t := filled(r)
			r.Send(deleteRecords(t, 0, 4))
			r.Send(deleteRecords(t, 0, 2)) // lower than the start already
		}},
		{Key: 21, Name: "everything", Run: func(r *Run) { r.Send(deleteRecords(filled(r), 0, -1)) }},
		{Key: 21, Name: "after the end", Run: func(r *Run) { r.Send(deleteRecords(filled(r), 0, 99)) }},
		{Key: 21, Name: "negative offset", Run: func(r *Run) { r.Send(deleteRecords(filled(r), 0, -7)) }},
		{Key: 21, Name: "unknown topic", Run: func(r *Run) { r.Send(deleteRecords(r.Name("none"), 0, 1)) }},
		{Key: 21, Name: "unknown partition", Run: func(r *Run) { r.Send(deleteRecords(filled(r), 9, 1)) }},
		{Key: 21, Name: "compacted topic", Run: func(r *Run) { r.Send(deleteRecords(filled(r, "cleanup.policy=compact"), 0, 1)) }},
		{Key: 23, Name: "current epoch", Run: func(r *Run) { r.Send(epochEnd(filled(r), 0, -1, 0)) }},
		{Key: 23, Name: "epoch of the future", Run: func(r *Run) { r.Send(epochEnd(filled(r), 0, -1, 5)) }},
		{Key: 23, Name: "current leader epoch of the future", Run: func(r *Run) { r.Send(epochEnd(filled(r), 0, 5, 0)) }},
		{Key: 23, Name: "empty partition", Run: func(r *Run) { r.Send(epochEnd(filled(r), 1, -1, 0)) }},
		{Key: 23, Name: "unknown topic", Run: func(r *Run) { r.Send(epochEnd(r.Name("none"), 0, -1, 0)) }},
		{Key: 61, Name: "one producer", Run: func(r *Run) {
			t := r.Topic("t", 1)
			r.Fill(t, "t", 0, Batch{N: 3, PID: r.PID()})
			r.Send(producers(t, 0))
		}},
		{Key: 61, Name: "no producer", Run: func(r *Run) { r.Send(producers(filled(r), 0)) }},
		{Key: 61, Name: "unknown topic", Run: func(r *Run) { r.Send(producers(r.Name("none"), 0)) }},
		{Key: 61, Name: "unknown partition", Run: func(r *Run) { r.Send(producers(filled(r), 4)) }},
		{Key: 22, Name: "idempotent producer", Run: func(r *Run) { r.PID(); r.Send(initPID(nil, 60000, -1, -1)) }},
		{Key: 22, Name: "empty transactional id", Run: func(r *Run) { r.Send(initPID(kmsg.StringPtr(""), 60000, -1, -1)) }},
		{Key: 22, Name: "id without an epoch", From: 3, Run: func(r *Run) { r.PID(); r.Send(initPID(nil, 60000, 5, -1)) }},
	}
}

func initPID(txn *string, timeout int32, pid int64, epoch int16) *kmsg.InitProducerIDRequest {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = txn, timeout, pid, epoch
	return req
}

func producers(topic string, partition int32) *kmsg.DescribeProducersRequest {
	req := kmsg.NewPtrDescribeProducersRequest()
	t := kmsg.NewDescribeProducersRequestTopic()
	t.Topic, t.Partitions = topic, []int32{partition}
	req.Topics = append(req.Topics, t)
	return req
}
