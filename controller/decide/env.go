package decide

import (
	"fmt"
	"math/rand/v2"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Limits of one request, as in Kafka.
const (
	// MaxRecords is how many records one user's request may make.
	MaxRecords = 10_000
	// MaxPartitions is how many partitions one CreateTopics may ask for.
	MaxPartitions = 10_000
)

// Node is what does not change while the process runs.
type Node struct {
	ID        ids.NodeID
	ClusterID string
	// Config is the static configuration of this node. Defaults of topics come
	// from it, below the dynamic configuration of brokers.
	Config *configs.Values
}

// Env is what a decision may look at besides the request.
type Env struct {
	Node
	// Image is the metadata with all records appended so far, committed or not.
	Image *image.Image
	// Now is ms since 1970 for what is recorded or compared with Live.
	Now int64
	// Members returns the index of Image's partitions by broker, which may be
	// made when it is first asked for. Nil: every partition is looked at instead,
	// with the same result.
	Members func() *image.Members
	Rand    *rand.Rand
	// NextOffset is greater than the offset of any record in Image and not
	// greater than the offset the first record of this decision will get.
	NextOffset ids.Offset
	// KRaftVersion and Voters are the quorum's own, which no image holds.
	KRaftVersion int16
	Voters       []ids.NodeID
	Live         *Liveness
	// Forwarded: a broker passed the request on for its client.
	Forwarded bool
	// Charge counts partitions created or deleted against the controller
	// mutation quota (KIP-599) and returns an error to refuse them. Nil: no quota.
	Charge func(partitions int) error
}

// Decision is what to append, and what to answer when that is committed.
type Decision struct {
	// Records take effect together when Atomic; otherwise any prefix may.
	Records []records.Versioned
	Atomic  bool
	Reply   kmsg.Response
	// Touch is the effect on Live, nil for none.
	Touch *Touch
	// KRaftVersion asks the quorum itself to move to that level, or with ValidateOnly
	// whether it could; 0 for not at all.
	KRaftVersion int16
	ValidateOnly bool
}

func (d *Decision) add(rec records.Record, version int16) {
	d.Records = append(d.Records, records.Versioned{Record: rec, Version: version})
}

// Error is an answer of the protocol.
type Error struct {
	Code int16
	// Message is for people; empty when the code says it all.
	Message string
}

func (e *Error) Error() string {
	if e.Message != "" {
		return e.Message
	}
	return kerr.TypedErrorForCode(e.Code).Error()
}

// fail makes an Error; err is one of kerr's.
func fail(err *kerr.Error, format string, args ...any) *Error {
	return &Error{err.Code, fmt.Sprintf(format, args...)}
}

// code and message are what goes on the wire for an outcome.
func (e *Error) code() int16 {
	if e == nil {
		return 0
	}
	return e.Code
}

func (e *Error) message() *string {
	if e == nil || e.Message == "" {
		return nil
	}
	return &e.Message
}

// errTooMany refuses a request that would make more than MaxRecords records.
func errTooMany() *Error {
	return fail(kerr.PolicyViolation, "Unable to perform excessively large batch operation.")
}

func (e *Env) mv() image.MetadataVersion { return e.Image.Features.MetadataVersion() }

func (e *Env) elr() bool { return e.Image.Features.ELR() }

func (e *Env) charge(partitions int) *Error {
	if e.Charge == nil {
		return nil
	}
	if err := e.Charge(partitions); err != nil {
		return fail(kerr.ThrottlingQuotaExceeded, "%v", err)
	}
	return nil
}

// newID draws a random id that is none of the reserved ones and does not look
// like a flag on a command line.
func (e *Env) newID() ids.UUID {
	id, err := ids.RandomUUID(randomBytes{e.Rand})
	if err != nil {
		panic(err) // randomBytes does not fail
	}
	return id
}

type randomBytes struct{ r *rand.Rand }

func (b randomBytes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b.r.Uint32())
	}
	return len(p), nil
}

// active tells whether a broker may lead and take part.
func (e *Env) active(id ids.NodeID) bool {
	b := e.Image.Cluster.Broker(id)
	return b != nil && b.Active()
}

// checkEpoch refuses a request of a broker that is not registered so.
func (e *Env) checkEpoch(id int32, epoch int64) (*image.Broker, *Error) {
	b := e.Image.Cluster.Broker(ids.NodeID(id))
	if b == nil {
		return nil, fail(kerr.StaleBrokerEpoch, "No broker registration found for broker id %d", id)
	}
	if b.Epoch != epoch {
		return nil, fail(kerr.StaleBrokerEpoch, "Expected broker epoch %d, but got broker epoch %d", b.Epoch, epoch)
	}
	return b, nil
}
