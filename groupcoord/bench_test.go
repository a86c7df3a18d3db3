package groupcoord

import (
	"fmt"
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/groupcoord/runtime/runtimetest"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// sink is a log that keeps nothing.
type sink struct {
	runtimetest.Log
	end ids.Offset
}

func (s *sink) Append(p int32, _ ids.LeaderEpoch, data []byte) (ids.Offset, error) {
	s.end += ids.Offset(data[60]) | ids.Offset(data[59])<<8 // the batch's count
	s.OnCommit(p, s.end)
	return s.end, nil
}

// BenchmarkOffsetCommit is one commit of one offset, without network and disk.
func BenchmarkOffsetCommit(b *testing.B) {
	log := &sink{}
	s := New(Options{
		Config: DefaultConfig(), Log: log, Clock: runtime.SystemClock{}, Logger: zap.NewNop(),
		Image:  catalog{}.image,
		Topics: catalog{Topic: {ids.TopicID{15: 1}, 1}, "t": {ids.TopicID{15: 7}, 1000}},
	})
	log.OnCommit = s.Committed
	s.Lead(0, 1)
	for loaded := false; !loaded; {
		done := make(chan int16, 1)
		s.OffsetFetch(fetchOf("g", 8, ""), func(r *kmsg.OffsetFetchResponse) { done <- r.Groups[0].ErrorCode })
		loaded = <-done != kerr.CoordinatorLoadInProgress.Code
	}
	reqs := make([]*kmsg.OffsetCommitRequest, 1000)
	for i := range reqs {
		reqs[i] = commitOf(fmt.Sprint("group-", i), "t", 8, int64(i))
	}
	flying := make(chan struct{}, 256)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		flying <- struct{}{}
		s.OffsetCommit(reqs[i%len(reqs)], func(*kmsg.OffsetCommitResponse) { <-flying })
	}
	s.Close()
}
