package api

import (
	"errors"

	"github.com/gregorbroker/gregor/broker/fetchsession"
	"github.com/gregorbroker/gregor/broker/replica"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/producers"
	"github.com/twmb/franz-go/pkg/kerr"
)

// codes is the one table from the errors of the rooms below to Kafka's codes.
// errors.Is is asked from top to bottom.
var codes = []struct {
	err  error
	code *kerr.Error
}{
	{replica.ErrUnknownPartition, kerr.UnknownTopicOrPartition},
	{replica.ErrUnknownTopicID, kerr.UnknownTopicID},
	{replica.ErrNotLeader, kerr.NotLeaderForPartition},
	{replica.ErrFencedEpoch, kerr.FencedLeaderEpoch},
	{replica.ErrUnknownEpoch, kerr.UnknownLeaderEpoch},
	{replica.ErrNotEnoughReplicas, kerr.NotEnoughReplicas},
	{replica.ErrOffline, kerr.KafkaStorageError},
	{replica.ErrOffsetNotAvailable, kerr.OffsetNotAvailable},
	{replica.ErrStopped, kerr.NotLeaderForPartition},
	{replica.ErrNameTooLong, kerr.InvalidTopicException},
	{logdir.ErrUnknownDir, kerr.LogDirNotFound},
	{logdir.ErrCordoned, kerr.InvalidReplicaAssignment},
	{logdir.ErrOffline, kerr.KafkaStorageError},
	{replica.ErrPolicy, kerr.PolicyViolation},
	{fetchsession.ErrNotFound, kerr.FetchSessionIDNotFound},
	{fetchsession.ErrEpoch, kerr.InvalidFetchSessionEpoch},
	{fetchsession.ErrTopicID, kerr.FetchSessionTopicIDError},
	{producers.ErrOutOfOrderSequence, kerr.OutOfOrderSequenceNumber},
	{producers.ErrInvalidEpoch, kerr.InvalidProducerEpoch},
	{producers.ErrInvalidTxnState, kerr.InvalidTxnState},
	{producers.ErrCoordinatorFenced, kerr.TransactionCoordinatorFenced},
	{batch.ErrDecompress, kerr.UnknownServerError}, // before what it is wrapped in
	{partlog.ErrOffsetOutOfRange, kerr.OffsetOutOfRange},
	{partlog.ErrMessageTooLarge, kerr.MessageTooLarge},
	{partlog.ErrSegmentTooSmall, kerr.RecordListTooLarge},
	{partlog.ErrInvalidTimestamp, kerr.InvalidTimestamp},
	{partlog.ErrInvalidRecord, kerr.InvalidRecord},
	{partlog.ErrUnsupportedFormat, kerr.UnsupportedForMessageFormat},
	{partlog.ErrUnsupportedCodec, kerr.UnsupportedCompressionType},
	{partlog.ErrCorrupt, kerr.CorruptMessage},
	{partlog.ErrFailed, kerr.KafkaStorageError},
	{partlog.ErrDiskFull, kerr.KafkaStorageError},
	{partlog.ErrTooManyFiles, kerr.KafkaStorageError},
	{partlog.ErrClosed, kerr.NotLeaderForPartition},
}

// Code returns Kafka's code for err: 0 for nil, UNKNOWN_SERVER_ERROR for an
// error that no line names.
func Code(err error) int16 {
	if err == nil {
		return 0
	}
	for i := range codes {
		if errors.Is(err, codes[i].err) {
			return codes[i].code.Code
		}
	}
	var k *kerr.Error
	if errors.As(err, &k) {
		return k.Code
	}
	return kerr.UnknownServerError.Code
}

// withMessage is a Kafka error with a message of its own for the client.
type withMessage struct {
	code *kerr.Error
	text string
}

func (e withMessage) Error() string { return e.code.Message + ": " + e.text }
func (e withMessage) Unwrap() error { return e.code }
