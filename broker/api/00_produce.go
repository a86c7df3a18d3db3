package api

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Produce (v3–v13)
//
// Behaviour:
//   - acks=0 is never answered; an error closes the connection, so that the
//     producer notices and asks for metadata.
//   - acks=1 is answered after the append, acks=-1 when the high watermark has
//     passed it, or with REQUEST_TIMED_OUT after the request's timeout.
//   - The order of appends is the order of requests: Handle returns when all
//     partitions are appended to, and the next request may start.
//   - A duplicate of an idempotent batch is a success at its first offset.
//
// Versions: 3 record batches, 5 log start offset, 7 zstd allowed, 8 record
// errors (KIP-467), 9 flexible, 10 current leader (KIP-951), 12 implicit
// AddPartitionsToTxn (KIP-890), 13 topic ids (KIP-516).

// adminClient is the client id that may write to internal topics.
const adminClient = "__admin_client"

type produce struct {
	replicas *replica.Manager
	leaders  leaderHints
}

func newProduce(p Parts) Handle {
	if p.Replicas == nil {
		return nil
	}
	h := &produce{replicas: p.Replicas, leaders: leaderHints{p.Replicas}}
	return Typed(h.handle)
}

// producing is one Produce request on its way.
type producing struct {
	h    *produce
	c    *conn.Call
	req  *kmsg.ProduceRequest
	resp *kmsg.ProduceResponse
	// open counts the partitions without an outcome, plus one while partitions
	// are still being started. Whoever brings it to 0 replies.
	open  atomic.Int32
	timer *time.Timer
	wakes replica.Wakes // fetches to answer once the producer has its answer
	// claims has one flag a partition: who sets it writes the partition's outcome.
	// Only a request that waits for replicas has them, because of the timeout.
	claims []atomic.Bool
}

func (h *produce) handle(c *conn.Call, req *kmsg.ProduceRequest) {
	mergeTopics(req)
	p := &producing{h: h, c: c, req: req, resp: req.ResponseKind().(*kmsg.ProduceResponse)}
	n := p.prepare()
	if err := p.refusal(); err != nil {
		p.failAll(err)
		return
	}
	p.open.Store(int32(n) + 1)
	next := 0
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			p.append(next, &req.Topics[i], &req.Topics[i].Partitions[j], &p.resp.Topics[i].Partitions[j])
			next++
		}
	}
	p.finishStart()
	if p.wakes.Waiting() {
		c.Conn.Flush() // the producer first
	}
	p.wakes.Run()
}

// mergeTopics makes one of topics that are named several times, and none of those
// without partitions: Kafka answers each once.
func mergeTopics(req *kmsg.ProduceRequest) {
	if len(req.Topics) == 1 && len(req.Topics[0].Partitions) > 0 {
		return
	}
	type key struct {
		name string
		id   [16]byte
	}
	at := make(map[key]int, len(req.Topics))
	kept := req.Topics[:0]
	for _, t := range req.Topics {
		if len(t.Partitions) == 0 {
			continue
		}
		k := key{t.Topic, t.TopicID}
		if i, again := at[k]; again {
			kept[i].Partitions = append(kept[i].Partitions, t.Partitions...)
			continue
		}
		at[k] = len(kept)
		kept = append(kept, t)
	}
	req.Topics = kept
}

// prepare makes the response's shape and counts partitions.
func (p *producing) prepare() (n int) {
	p.resp.Topics = make([]kmsg.ProduceResponseTopic, len(p.req.Topics))
	for i := range p.req.Topics {
		in, out := &p.req.Topics[i], &p.resp.Topics[i]
		out.Topic, out.TopicID = in.Topic, in.TopicID
		out.Partitions = make([]kmsg.ProduceResponseTopicPartition, len(in.Partitions))
		for j := range in.Partitions {
			out.Partitions[j].Default()
			out.Partitions[j].Partition = in.Partitions[j].Partition
			out.Partitions[j].BaseOffset, out.Partitions[j].LogAppendTime, out.Partitions[j].LogStartOffset = -1, -1, -1
		}
		n += len(in.Partitions)
	}
	if p.req.Acks == -1 {
		p.claims = make([]atomic.Bool, n)
	}
	return n
}

// refusal is what is wrong with the whole request: a first batch that is no
// batch, or a transactional one in a request without a transactional id.
func (p *producing) refusal() error {
	for i := range p.req.Topics {
		for j := range p.req.Topics[i].Partitions {
			records := p.req.Topics[i].Partitions[j].Records
			v, _, err := batch.Next(records)
			switch {
			case errors.Is(err, batch.ErrIncomplete):
			case errors.Is(err, batch.ErrMagic) && records[magicAt] < 2:
			case err != nil:
				return fmt.Errorf("%w: %w", partlog.ErrCorrupt, err)
			case v.IsTransactional() && p.req.TransactionID == nil:
				return kerr.TransactionalIDAuthorizationFailed
			}
		}
	}
	return nil
}

// magicAt is where a batch of any format has its magic byte.
const magicAt = 16

// append starts one partition. Its outcome comes at once or later.
func (p *producing) append(n int, t *kmsg.ProduceRequestTopic, in *kmsg.ProduceRequestTopicPartition, out *kmsg.ProduceResponseTopicPartition) {
	part, v, err := p.check(t, in)
	if err != nil {
		failed := partlog.AppendInfo{LogStartOffset: ids.NoOffset}
		if p.req.Version >= 7 && errors.Is(err, kerr.UnknownServerError) { // Kafka looks at the log before it stumbles
			failed.LogStartOffset, _, _, _ = p.h.replicas.Offsets(part.TP())
		}
		p.outcome(n, out, replica.AppendResult{Err: err, AppendInfo: failed})
		return
	}
	o := replica.AppendOptions{Acks: p.req.Acks, Origin: partlog.Client, Epoch: ids.NoEpoch, Wakes: &p.wakes}
	stamp := v.MaxTimestamp()
	part.Append(v, o, func(r replica.AppendResult) {
		if r.Duplicate {
			r.LogAppendTime = stamp // what Kafka tells, whatever the topic's timestamp type
		}
		p.outcome(n, out, r)
	})
}

// check finds the partition and cuts out the one batch that goes there.
func (p *producing) check(t *kmsg.ProduceRequestTopic, in *kmsg.ProduceRequestTopicPartition) (*replica.Partition, batch.View, error) {
	part, err := p.partition(t, in.Partition)
	if errors.Is(err, replica.ErrUnknownPartition) || errors.Is(err, replica.ErrUnknownTopicID) {
		return nil, nil, err
	}
	v, verr := oneBatch(in.Records, p.req.Version)
	switch {
	case verr != nil:
		return part, nil, verr
	case p.req.Acks < -1 || p.req.Acks > 1:
		return nil, nil, kerr.InvalidRequiredAcks
	case v.IsTransactional():
		// Partitions of a transaction are verified with its coordinator, of which
		// this node has none yet: as in Kafka, an error that old clients retry.
		return nil, nil, withMessage{kerr.NotEnoughReplicas, "Unable to verify the partition has been added to the transaction. Underlying error: COORDINATOR_NOT_AVAILABLE"}
	case err != nil:
		return nil, nil, err
	case image.IsInternalTopic(part.TP().Topic) && p.c.Header.ClientID != adminClient:
		return nil, nil, kerr.InvalidTopicException
	}
	return part, v, nil
}

func (p *producing) partition(t *kmsg.ProduceRequestTopic, index int32) (*replica.Partition, error) {
	if p.req.Version >= 13 {
		return p.h.replicas.GetByID(ids.TopicID(t.TopicID), index)
	}
	return p.h.replicas.Get(ids.TopicPartition{Topic: t.Topic, Partition: index})
}

// oneBatch returns the batch in records, of which there must be exactly one.
// An incomplete batch behind it is ignored, as Kafka does.
func oneBatch(records []byte, version int16) (batch.View, error) {
	v, rest, err := batch.Next(records)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", partlog.ErrInvalidRecord, err)
	}
	if !v.Codec().Valid() {
		return nil, kerr.UnknownServerError // as Kafka, which does not expect it
	}
	if version < 7 && v.Codec() == batch.Zstd {
		return nil, fmt.Errorf("%w: zstd in Produce version %d", partlog.ErrUnsupportedCodec, version)
	}
	if len(rest) > 0 {
		if _, _, err := batch.Next(rest); !errors.Is(err, batch.ErrIncomplete) {
			return nil, fmt.Errorf("%w: more than one batch", partlog.ErrInvalidRecord)
		}
	}
	return v, nil
}

// outcome writes what became of one partition, unless the timeout was faster.
func (p *producing) outcome(n int, out *kmsg.ProduceResponseTopicPartition, r replica.AppendResult) {
	if p.claims != nil && !p.claims[n].CompareAndSwap(false, true) {
		return
	}
	if r.Err == nil {
		out.BaseOffset, out.LogAppendTime, out.LogStartOffset = int64(r.FirstOffset), r.LogAppendTime, int64(r.LogStartOffset)
	} else {
		p.failed(out, r)
	}
	p.done()
}

func (p *producing) failed(out *kmsg.ProduceResponseTopicPartition, r replica.AppendResult) {
	out.ErrorCode = Code(r.Err)
	if !plainProduceError(out.ErrorCode) {
		out.LogStartOffset = int64(r.LogStartOffset)
	}
	for _, e := range r.RecordErrors {
		re := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		re.RelativeOffset = e.BatchIndex
		re.ErrorMessage = kmsg.StringPtr(e.Message)
		out.ErrorRecords = append(out.ErrorRecords, re)
	}
	var m withMessage
	switch {
	case errors.As(r.Err, &m):
		out.ErrorMessage = kmsg.StringPtr(m.text)
		out.LogStartOffset = -1
	case len(r.RecordErrors) > 0:
		out.ErrorMessage = kmsg.StringPtr(r.Err.Error())
	}
}

// plainProduceError: Kafka tells the log's start with all but these.
func plainProduceError(code int16) bool {
	switch code {
	case kerr.UnknownTopicOrPartition.Code, kerr.NotLeaderForPartition.Code, kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code,
		kerr.CorruptMessage.Code, kerr.KafkaStorageError.Code, kerr.UnknownTopicID.Code, kerr.InvalidRequiredAcks.Code,
		kerr.InvalidTopicException.Code:
		return true
	}
	return false
}

// finishStart ends the phase in which partitions are started; if some wait for
// replicas it starts their timeout. The timer is set before the phase ends, so
// that whoever replies sees it.
func (p *producing) finishStart() {
	if p.req.Acks == -1 && p.open.Load() > 1 {
		p.timer = time.AfterFunc(time.Duration(p.req.TimeoutMillis)*time.Millisecond, p.timeOut)
	}
	p.done()
}

// timeOut answers for the partitions that are not replicated in time. Their
// records stay in the log.
func (p *producing) timeOut() {
	n := 0
	for i := range p.resp.Topics {
		for j := range p.resp.Topics[i].Partitions {
			if p.claims[n].CompareAndSwap(false, true) {
				p.resp.Topics[i].Partitions[j].ErrorCode = kerr.RequestTimedOut.Code
				p.done()
			}
			n++
		}
	}
}

func (p *producing) done() {
	if p.open.Add(-1) > 0 {
		return
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.reply()
}

func (p *producing) failAll(err error) {
	for i := range p.resp.Topics {
		for j := range p.resp.Topics[i].Partitions {
			out := &p.resp.Topics[i].Partitions[j]
			out.ErrorCode = Code(err)
			if errors.Is(err, partlog.ErrCorrupt) {
				out.ErrorMessage = kmsg.StringPtr(err.Error())
			}
		}
	}
	p.reply()
}

func (p *producing) reply() {
	failed := int16(0)
	for i := range p.resp.Topics {
		t := &p.resp.Topics[i]
		for j := range t.Partitions {
			out := &t.Partitions[j]
			if out.ErrorCode == 0 {
				continue
			}
			failed = out.ErrorCode
			if p.req.Version >= 10 && out.ErrorCode == kerr.NotLeaderForPartition.Code {
				l := p.h.leaders.of(t.Topic, ids.TopicID(t.TopicID), out.Partition)
				out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(l.Leader), int32(l.Epoch)
				p.addEndpoint(l.Leader)
			}
		}
	}
	switch {
	case p.req.Acks != 0:
		p.c.Reply(p.resp)
	case failed != 0:
		p.c.Close(fmt.Errorf("produce with acks=0 failed: %w", kerr.ErrorForCode(failed)))
	default:
		p.c.NoReply()
	}
}

func (p *producing) addEndpoint(node ids.NodeID) {
	for _, b := range p.resp.Brokers {
		if b.NodeID == int32(node) {
			return
		}
	}
	if e, rack, ok := p.h.leaders.endpoint(node, p.c.Listener); ok {
		b := kmsg.NewProduceResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = int32(node), e.Host, int32(e.Port), rack
		p.resp.Brokers = append(p.resp.Brokers, b)
	}
}
