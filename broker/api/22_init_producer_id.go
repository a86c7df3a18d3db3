package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// InitProducerId (v0–v6)
//
// Behaviour: an idempotent producer gets a fresh id with epoch 0, whatever it
// had before. A transactional one is sent to its coordinator, which this node
// is not.
//
// Versions: 2 flexible, 3 expected id and epoch (KIP-360), 4 PRODUCER_FENCED,
// 6 two-phase commit (KIP-939, unstable).

// ProducerIDs hands out ids that no other producer ever had.
type ProducerIDs interface {
	// Next calls done once, now or later.
	Next(done func(id int64, err error))
}

type initProducerID struct {
	ids    ProducerIDs
	config *Config // nil: Kafka's defaults
}

// maxTxnTimeout is transaction.max.timeout.ms.
func (h initProducerID) maxTxnTimeout() int32 {
	if h.config == nil {
		return 15 * 60 * 1000
	}
	return h.config.Now().Int("transaction.max.timeout.ms")
}

func newInitProducerID(p Parts) Handle {
	if p.ProducerIDs == nil {
		return nil
	}
	return Typed(initProducerID{p.ProducerIDs, p.Config}.handle)
}

func (h initProducerID) handle(c *conn.Call, req *kmsg.InitProducerIDRequest) {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	hasID, hasEpoch := req.ProducerID != -1, req.ProducerEpoch != -1
	switch {
	case req.Version >= 3 && hasID != hasEpoch, req.TransactionalID != nil && *req.TransactionalID == "":
		resp.ErrorCode = kerr.InvalidRequest.Code
	case req.TransactionalID != nil && (req.TransactionTimeoutMillis <= 0 || req.TransactionTimeoutMillis > h.maxTxnTimeout()):
		resp.ErrorCode = kerr.InvalidTransactionTimeout.Code
	case req.TransactionalID != nil:
		resp.ErrorCode = kerr.NotCoordinator.Code
	default:
		h.ids.Next(func(id int64, err error) {
			if err != nil {
				resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
			} else {
				resp.ProducerID, resp.ProducerEpoch = id, 0
			}
			c.Reply(resp)
		})
		return
	}
	c.Reply(resp)
}
