package groupcoord

import (
	"errors"

	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// code is what a client is told when its operation failed. Clients of groups
// know few errors: those of the log become the ones that make them ask again, or
// look for the coordinator again. A Log port tells its errors as *kerr.Error.
func code(err error) int16 {
	var k *kerr.Error
	switch {
	case err == nil:
		return 0
	case errors.Is(err, runtime.ErrNotCoordinator):
		return kerr.NotCoordinator.Code
	case errors.Is(err, runtime.ErrLoading):
		return kerr.CoordinatorLoadInProgress.Code
	case errors.Is(err, runtime.ErrCommitTimeout):
		return kerr.CoordinatorNotAvailable.Code
	case !errors.As(err, &k):
		return kerr.UnknownServerError.Code
	}
	switch k.Code {
	case kerr.UnknownTopicOrPartition.Code, kerr.NotEnoughReplicas.Code, kerr.RequestTimedOut.Code:
		return kerr.CoordinatorNotAvailable.Code
	case kerr.NotLeaderForPartition.Code, kerr.KafkaStorageError.Code, kerr.FencedLeaderEpoch.Code, kerr.UnknownLeaderEpoch.Code:
		return kerr.NotCoordinator.Code
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code, kerr.InvalidFetchSize.Code:
		return kerr.UnknownServerError.Code
	default:
		return k.Code
	}
}

// fetchCode is code for OffsetFetch: consumers before 3.9 do not ask again on
// COORDINATOR_NOT_AVAILABLE, but look for the coordinator on NOT_COORDINATOR.
func fetchCode(err error) int16 {
	if c := code(err); c != kerr.CoordinatorNotAvailable.Code {
		return c
	}
	return kerr.NotCoordinator.Code
}

// codeOf is the code of a decision, which may be none.
func codeOf(err *kerr.Error) int16 {
	if err == nil {
		return 0
	}
	return err.Code
}

func isUnknown(err error) bool { return errors.Is(err, records.ErrUnknown) }

func joinFailed(memberID string, code int16) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupResponse()
	r.MemberID, r.Generation, r.ErrorCode = memberID, -1, code
	return r
}

func syncFailed(code int16) *kmsg.SyncGroupResponse {
	r := kmsg.NewPtrSyncGroupResponse()
	r.ErrorCode, r.MemberAssignment = code, []byte{}
	return r
}
