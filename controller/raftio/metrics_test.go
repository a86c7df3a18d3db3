package raftio

import (
	"math"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/controller/raft"
)

func TestWindowForgetsWhatIsOld(t *testing.T) {
	var w window
	if avg, _ := w.avgMax(0); !math.IsNaN(avg) {
		t.Errorf("the average of nothing is %v", avg)
	}
	w.add(10, time.Second)
	w.add(20, 2*time.Second)
	if avg, top := w.avgMax(3 * time.Second); avg != 15 || top != 20 {
		t.Errorf("avg %v max %v", avg, top)
	}
	if r := w.rate(3 * time.Second); r != 10 {
		t.Errorf("30 in 3 s are %v/s", r)
	}
	w.add(1, 40*time.Second)
	if avg, top := w.avgMax(59 * time.Second); avg != 31.0/3 || top != 20 {
		t.Errorf("within the second half: avg %v max %v", avg, top)
	}
	if avg, top := w.avgMax(61 * time.Second); avg != 1 || top != 1 {
		t.Errorf("after the second half: avg %v max %v", avg, top)
	}
	if avg, _ := w.avgMax(10 * time.Minute); !math.IsNaN(avg) {
		t.Errorf("after ten minutes: avg %v", avg)
	}
}

// checkMetrics compares what a leader and its followers tell of the same quorum.
func checkMetrics(t *testing.T, lead *testMember, ms []*testMember) {
	t.Helper()
	for _, m := range ms {
		got := m.node.Metrics()
		state := "follower"
		if m == lead {
			state = "leader"
		}
		if got.State != state || got.Leader != lead.key().ID || got.Voters != 3 || got.Leads != (m == lead) || got.UncommittedVoterChange || got.LogEnd.Epoch != got.Epoch || got.HighWatermark > got.LogEnd.Offset {
			t.Errorf("node %d: %+v", m.id, got)
		}
		if m == lead && !(got.AppendRecordsRate > 0 && got.CommitLatencyMax >= got.CommitLatencyAvg && got.CommitLatencyAvg > 0 && got.Vote == m.key().ID) {
			t.Errorf("leader %d: %+v", m.id, got)
		}
		if m != lead && !(got.FetchRecordsRate > 0 && math.IsNaN(got.CommitLatencyAvg)) {
			t.Errorf("follower %d: %+v", m.id, got)
		}
		if got.PollIdleRatioAvg <= 0 || got.PollIdleRatioAvg > 1 {
			t.Errorf("node %d was idle for %v of its time", m.id, got.PollIdleRatioAvg)
		}
	}
	if got := lead.node.Metrics(); got.LogEnd.Offset != lead.node.EndOffset() || lead.node.driver.core.Role() != raft.Leader {
		t.Errorf("the log ends at %d, told was %v", lead.node.EndOffset(), got.LogEnd)
	}
}
