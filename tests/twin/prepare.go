package twin

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What scripts prepare is asked at versions that every Kafka of the last years
// serves.

// Topic creates a topic for this run and returns its name; configs are "key=value".
func (r *Run) Topic(suffix string, partitions int32, configs ...string) string {
	name := r.Name(suffix)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	req.TimeoutMillis = 30000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	for _, kv := range configs {
		k, v, _ := strings.Cut(kv, "=")
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = k, &v
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp := r.Do(req).(*kmsg.CreateTopicsResponse)
	if c := resp.Topics[0].ErrorCode; c != 0 {
		panic(setupFailed{fmt.Errorf("create topic: %s", codeName(c))})
	}
	r.ids[resp.Topics[0].TopicID] = suffix
	r.awaitLeaders(name, partitions)
	return name
}

// awaitLeaders waits until the broker itself knows the topic: Kafka answers
// CreateTopics before that.
func (r *Run) awaitLeaders(name string, partitions int32) {
	r.Eventually("leaders of "+name, func() bool {
		req := kmsg.NewPtrListOffsetsRequest()
		req.Version, req.ReplicaID = 5, -1
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		for p := range partitions {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = p, -1, -1
			t.Partitions = append(t.Partitions, rp)
		}
		req.Topics = append(req.Topics, t)
		for _, t := range r.Do(req).(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					return false
				}
			}
		}
		return true
	})
}

// ID is the id of a topic that Topic has made.
func (r *Run) ID(suffix string) [16]byte {
	for id, n := range r.ids {
		if n == suffix {
			return id
		}
	}
	return [16]byte{}
}

// Batch is what a test says about a record batch; the zero value with N set is
// a plain good one. Records are k<i> = v<i>, one millisecond apart from Base on.
type Batch struct {
	N                int
	Base             int64
	PID              int64
	Epoch            int16
	Seq              int32
	Attributes       int16
	Magic            int8
	BadCRC, NullKeys bool
	CountIsOff       int32 // added to the header's count
	BaseOffset       int64
	NoPID            bool
}

// BaseTime is the CreateTime of a first record unless a Batch says otherwise.
const BaseTime = 1_700_000_000_000

// Bytes encodes the batch.
func (b Batch) Bytes() []byte {
	if b.Base == 0 {
		b.Base = BaseTime
	}
	if b.Magic == 0 {
		b.Magic = 2
	}
	if b.PID == 0 {
		b.PID, b.Epoch, b.Seq = -1, -1, -1
	}
	var recs []byte
	for i := range b.N {
		rec := kmsg.Record{TimestampDelta64: int64(i), OffsetDelta: int32(i), Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "v%d", i)}
		if b.NullKeys {
			rec.Key = nil
		}
		rec.Length = int32(len(rec.AppendTo(nil)) - 1) // a length below 64 takes one byte
		recs = rec.AppendTo(recs)
	}
	rb := kmsg.RecordBatch{FirstOffset: b.BaseOffset, PartitionLeaderEpoch: -1, Magic: b.Magic, Attributes: b.Attributes, LastOffsetDelta: int32(b.N - 1), FirstTimestamp: b.Base,
		MaxTimestamp: b.Base + int64(b.N-1), ProducerID: b.PID, ProducerEpoch: b.Epoch, FirstSequence: b.Seq, NumRecords: int32(b.N) + b.CountIsOff, Records: recs}
	out := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(out[8:], uint32(len(out)-12))
	crc := crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli))
	if b.BadCRC {
		crc++
	}
	binary.BigEndian.PutUint32(out[17:], crc)
	return out
}

// Produce is a request for one partition.
func (r *Run) Produce(topic, suffix string, partition int32, acks int16, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 5000
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, r.ID(suffix)
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, records
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// Fill produces one good batch and fails the setup if it is refused.
func (r *Run) Fill(topic, suffix string, partition int32, b Batch) {
	req := r.Produce(topic, suffix, partition, -1, b.Bytes())
	req.Version = 9
	resp := r.Do(req).(*kmsg.ProduceResponse)
	if c := resp.Topics[0].Partitions[0].ErrorCode; c != 0 {
		panic(setupFailed{fmt.Errorf("produce: %s", codeName(c))})
	}
}

// PID asks for a producer id above 0, which a Batch takes for none.
func (r *Run) PID() int64 {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = 4, 60000, -1, -1
	var pid int64
	r.Eventually("producer id", func() bool {
		resp := r.Do(req).(*kmsg.InitProducerIDResponse)
		pid = resp.ProducerID
		return resp.ErrorCode == 0 && pid > 0
	})
	return pid
}

// Coordinator makes sure that the group's coordinator is there and loaded.
func (r *Run) Coordinator(group string) {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.Version, req.CoordinatorKey = 3, group
	r.Eventually("coordinator", func() bool { return r.Do(req).(*kmsg.FindCoordinatorResponse).ErrorCode == 0 })
	desc := kmsg.NewPtrDescribeGroupsRequest()
	desc.Version, desc.Groups = 4, []string{group}
	r.Eventually("coordinator loaded", func() bool {
		c := r.Do(desc).(*kmsg.DescribeGroupsResponse).Groups[0].ErrorCode
		return c != 14 && c != 15 && c != 16
	})
}

// Commit stores an offset without a member.
func (r *Run) Commit(group, topic string, partition int32, offset int64) {
	r.Coordinator(group)
	req := r.commitRequest(group, topic, "", partition, offset)
	req.Version = 8
	resp := r.Do(req).(*kmsg.OffsetCommitResponse)
	if c := resp.Topics[0].Partitions[0].ErrorCode; c != 0 {
		panic(setupFailed{fmt.Errorf("commit: %s", codeName(c))})
	}
}

func (r *Run) commitRequest(group, topic, suffix string, partition int32, offset int64) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID = topic, r.ID(suffix)
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, offset, -1, kmsg.StringPtr("note")
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// Member is a member that has joined and synced alone.
type Member struct {
	ID         string
	Generation int32
}

// Join makes a group of one member, which Kafka calls <member> in transcripts.
func (r *Run) Join(group, topic string) Member {
	r.Coordinator(group)
	req := r.joinRequest(group, topic)
	req.Version = 3
	resp := r.Do(req).(*kmsg.JoinGroupResponse)
	if resp.ErrorCode != 0 {
		panic(setupFailed{fmt.Errorf("join: %s", codeName(resp.ErrorCode))})
	}
	r.Call(resp.MemberID, "member")
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.Generation, sync.MemberID = 2, group, resp.Generation, resp.MemberID
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = resp.MemberID, assignment(topic)
	sync.GroupAssignment = append(sync.GroupAssignment, a)
	if c := r.Do(sync).(*kmsg.SyncGroupResponse).ErrorCode; c != 0 {
		panic(setupFailed{fmt.Errorf("sync: %s", codeName(c))})
	}
	return Member{resp.MemberID, resp.Generation}
}

func (r *Run) joinRequest(group, topic string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = group, 30000, 30000, "consumer"
	p := kmsg.NewJoinGroupRequestProtocol()
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version, meta.Topics = 1, []string{topic}
	p.Name, p.Metadata = "range", meta.AppendTo(nil)
	req.Protocols = append(req.Protocols, p)
	return req
}

func assignment(topic string) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	t := kmsg.NewConsumerMemberAssignmentTopic()
	t.Topic, t.Partitions = topic, []int32{0}
	a.Topics = append(a.Topics, t)
	return a.AppendTo(nil)
}
