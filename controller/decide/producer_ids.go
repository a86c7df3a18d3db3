package decide

import (
	"math"

	"github.com/gregorbroker/gregor/controller/records"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producerIDBlock is how many producer ids a broker gets at a time.
const producerIDBlock = 1000

// AllocateProducerIDs gives a broker a block of producer ids that nobody had before.
func AllocateProducerIDs(e *Env, req *kmsg.AllocateProducerIDsRequest) (Decision, error) {
	b, refusal := e.checkEpoch(req.BrokerID, req.BrokerEpoch)
	if refusal != nil {
		return Decision{}, refusal
	}
	first := e.Image.ProducerIDs.Next
	if first > math.MaxInt64-producerIDBlock {
		return Decision{}, &Error{Code: kerr.UnknownServerError.Code}
	}
	resp := req.ResponseKind().(*kmsg.AllocateProducerIDsResponse)
	resp.ProducerIDStart, resp.ProducerIDLen = first, producerIDBlock
	d := Decision{Atomic: true, Reply: resp}
	d.add(&records.ProducerIDsRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, NextProducerID: first + producerIDBlock}, 0)
	return d, nil
}
