package monitor

import (
	"github.com/gregorbroker/gregor/controller/raftio"
)

// Quorum is this node's replica of the metadata log: raft-metrics.
func Quorum(get func() raftio.Metrics) Source {
	return func(p *Page) {
		m := get()
		gauge := func(name string, v float64, labels ...Label) {
			p.Gauge("kafka.server", "raft-metrics", name, v, labels...)
		}
		// Text attributes are gauges of 1 with the text as label.
		gauge("current-state", 1, Label{"current_state", m.State})
		gauge("current-vote-directory-id", 1, Label{"current_vote_directory_id", m.VoteDirectory.String()})
		gauge("current-leader", float64(m.Leader))
		gauge("current-vote", float64(m.Vote))
		gauge("current-epoch", float64(m.Epoch))
		gauge("high-watermark", float64(m.HighWatermark))
		gauge("log-end-offset", float64(m.LogEnd.Offset))
		gauge("log-end-epoch", float64(m.LogEnd.Epoch))
		gauge("number-of-voters", float64(m.Voters))
		gauge("number-unknown-voter-connections", float64(m.UnknownVoterConnections))
		if m.Leads {
			gauge("number-of-observers", float64(m.Observers))
			gauge("uncommitted-voter-change", flag(m.UncommittedVoterChange))
		}
		gauge("commit-latency-avg", m.CommitLatencyAvg)
		gauge("commit-latency-max", m.CommitLatencyMax)
		gauge("election-latency-avg", m.ElectionLatencyAvg)
		gauge("election-latency-max", m.ElectionLatencyMax)
		gauge("append-records-rate", m.AppendRecordsRate)
		gauge("fetch-records-rate", m.FetchRecordsRate)
		gauge("poll-idle-ratio-avg", m.PollIdleRatioAvg)
	}
}
