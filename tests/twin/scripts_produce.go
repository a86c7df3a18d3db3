package twin

import "github.com/twmb/franz-go/pkg/kmsg"

// one produces one batch to a fresh one-partition topic.
func one(b Batch, acks int16, configs ...string) func(*Run) {
	return func(r *Run) {
		t := r.Topic("t", 1, configs...)
		r.Send(r.Produce(t, "t", 0, acks, b.Bytes()))
	}
}

func produceScripts() []Script {
	const control, transactional, appendTime, zstd = 1 << 5, 1 << 4, 1 << 3, 4
	scripts := []Script{
		{Key: 0, Name: "three records, acks=1", Run: one(Batch{N: 3}, 1)},
		{Key: 0, Name: "three records, acks=all", Run: one(Batch{N: 3}, -1)},
		{Key: 0, Name: "acks=0 has no answer but an effect", Run: func(r *Run) {
			t := r.Topic("t", 1)
			r.SendNoReply(r.Produce(t, "t", 0, 0, Batch{N: 2}.Bytes()))
			r.Send(r.Produce(t, "t", 0, 1, Batch{N: 1}.Bytes()))
		}},
		{Key: 0, Name: "acks=5", Run: one(Batch{N: 1}, 5)},
		{Key: 0, Name: "unknown topic", Run: func(r *Run) { r.Send(r.Produce(r.Name("none"), "none", 0, 1, Batch{N: 1}.Bytes())) }},
		{Key: 0, Name: "invalid topic name", To: 12, Run: func(r *Run) { r.Send(r.Produce("bad/name", "", 0, 1, Batch{N: 1}.Bytes())) }},
		{Key: 0, Name: "unknown partition", Run: func(r *Run) { r.Send(r.Produce(r.Topic("t", 1), "t", 7, 1, Batch{N: 1}.Bytes())) }},
		{Key: 0, Name: "negative partition", Run: func(r *Run) { r.Send(r.Produce(r.Topic("t", 1), "t", -1, 1, Batch{N: 1}.Bytes())) }},
		{Key: 0, Name: "null records", From: 13, Run: func(r *Run) { r.Send(r.Produce(r.Topic("t", 1), "t", 0, 1, nil)) }},
		{Key: 0, Name: "empty records", Run: func(r *Run) { r.Send(r.Produce(r.Topic("t", 1), "t", 0, 1, []byte{})) }},
		{Key: 0, Name: "half a batch", Run: func(r *Run) { r.Send(r.Produce(r.Topic("t", 1), "t", 0, 1, Batch{N: 3}.Bytes()[:70])) }},
		{Key: 0, Name: "two batches in one partition", Run: func(r *Run) {
			r.Send(r.Produce(r.Topic("t", 1), "t", 0, 1, append(Batch{N: 2}.Bytes(), Batch{N: 2}.Bytes()...)))
		}},
		{Key: 0, Name: "wrong checksum", Run: one(Batch{N: 2, BadCRC: true}, 1)},
		{Key: 0, Name: "magic 1", Run: one(Batch{N: 2, Magic: 1}, 1)},
		{Key: 0, Name: "magic 3", Run: one(Batch{N: 2, Magic: 3}, 1)},
		{Key: 0, Name: "count larger than records", Run: one(Batch{N: 2, CountIsOff: 1}, 1)},
		{Key: 0, Name: "count smaller than records", Run: one(Batch{N: 2, CountIsOff: -1}, 1)},
		{Key: 0, Name: "base offset not zero", Run: one(Batch{N: 2, BaseOffset: 40}, 1)},
		{Key: 0, Name: "control batch from a client", Run: one(Batch{N: 1, Attributes: control}, 1)},
		{Key: 0, Name: "transactional batch without a transactional id", Run: one(Batch{N: 1, Attributes: transactional, PID: 5, Seq: 0}, -1)},
		{Key: 0, Name: "unknown codec", Run: one(Batch{N: 1, Attributes: 7}, 1)},
		{Key: 0, Name: "zstd that is none", Run: one(Batch{N: 1, Attributes: zstd}, 1)},
		{Key: 0, Name: "larger than max.message.bytes", Run: one(Batch{N: 60}, 1, "max.message.bytes=300")},
		{Key: 0, Name: "fewer replicas than min.insync.replicas, acks=all", Run: one(Batch{N: 1}, -1, "min.insync.replicas=2")},
		{Key: 0, Name: "fewer replicas than min.insync.replicas, acks=1", Run: one(Batch{N: 1}, 1, "min.insync.replicas=2")},
		{Key: 0, Name: "null key in a compacted topic", Run: one(Batch{N: 2, NullKeys: true}, 1, "cleanup.policy=compact")},
		{Key: 0, Name: "log append time", Run: one(Batch{N: 2}, 1, "message.timestamp.type=LogAppendTime")},
		{Key: 0, Name: "timestamp after the allowed", Run: one(Batch{N: 2, Base: 33_000_000_000_000}, 1)},
		{Key: 0, Name: "timestamp before the allowed", Run: one(Batch{N: 2}, 1, "message.timestamp.before.max.ms=1000")},
		{Key: 0, Name: "log append time of the client's own", Run: one(Batch{N: 2, Attributes: appendTime}, 1)},
		{Key: 0, Name: "log append time of the client's own where the broker stamps", Run: one(Batch{N: 2, Attributes: appendTime}, 1, "message.timestamp.type=LogAppendTime")},
		{Key: 0, Name: "same topic twice", Run: func(r *Run) {
			t := r.Topic("t", 2)
			req := r.Produce(t, "t", 0, 1, Batch{N: 1}.Bytes())
			req.Topics = append(req.Topics, r.Produce(t, "t", 1, 1, Batch{N: 1}.Bytes()).Topics...)
			r.Send(req)
		}},
		{Key: 0, Name: "good and bad partition in one request", Run: func(r *Run) {
			req := r.Produce(r.Topic("t", 1), "t", 0, 1, Batch{N: 2}.Bytes())
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Partition: 9, Records: Batch{N: 1}.Bytes()})
			r.Send(req)
		}},
		{Key: 0, Name: "idempotent: in order, repeated, gap, old epoch", Run: idempotent},
		{Key: 0, Name: "idempotent: six batches, then the first again", Run: func(r *Run) {
			t, pid := r.Topic("t", 1), r.PID()
			for i := range 6 {
				r.Fill(t, "t", 0, Batch{N: 1, PID: pid, Seq: int32(i)})
			}
			r.Send(r.Produce(t, "t", 0, -1, Batch{N: 1, PID: pid, Seq: 1}.Bytes()))
			r.Send(r.Produce(t, "t", 0, -1, Batch{N: 1, PID: pid, Seq: 0}.Bytes()))
		}},
		{Key: 0, Name: "idempotent: unknown producer starts in the middle", Run: func(r *Run) {
			r.Send(r.Produce(r.Topic("t", 1), "t", 0, -1, Batch{N: 2, PID: r.PID(), Seq: 5}.Bytes()))
		}},
		{Key: 0, Name: "idempotent: new epoch not from zero", Run: func(r *Run) {
			t, pid := r.Topic("t", 1), r.PID()
			r.Fill(t, "t", 0, Batch{N: 1, PID: pid})
			r.Send(r.Produce(t, "t", 0, -1, Batch{N: 1, PID: pid, Epoch: 1, Seq: 1}.Bytes()))
			r.Send(r.Produce(t, "t", 0, -1, Batch{N: 1, PID: pid, Epoch: 1, Seq: 0}.Bytes()))
		}},
		{Key: 0, Name: "idempotent: sequence wraps", Run: func(r *Run) {
			t, pid := r.Topic("t", 1), r.PID()
			r.Send(r.Produce(t, "t", 0, -1, Batch{N: 2, PID: pid, Seq: 2147483646}.Bytes()))
			r.Send(r.Produce(t, "t", 0, -1, Batch{N: 1, PID: pid, Seq: 0}.Bytes()))
		}},
		{Key: 0, Name: "producer id without a sequence", Run: one(Batch{N: 1, PID: 7, Seq: -1}, -1)},
	}
	for i := range scripts {
		// Versions 0–2 are advertised for the sake of old librdkafka, but not served.
		scripts[i].From = max(scripts[i].From, 3)
	}
	return append(scripts, Script{Key: 0, Name: "version that is advertised but not served", To: 2, Run: one(Batch{N: 1}, 1)})
}

func idempotent(r *Run) {
	t, pid := r.Topic("t", 1), r.PID()
	send := func(epoch int16, seq int32) {
		r.Send(r.Produce(t, "t", 0, -1, Batch{N: 2, PID: pid, Epoch: epoch, Seq: seq}.Bytes()))
	}
	send(0, 0)
	send(0, 2)
	send(0, 0)  // a duplicate: answered with its first offset
	send(0, 2)  // again
	send(0, 10) // a gap
	send(1, 0)  // a new epoch
	send(0, 4)  // the old one
}
