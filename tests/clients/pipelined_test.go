package clients

import (
	_ "embed"
	"testing"
)

// kafkaPipelined is what Apache Kafka 4.3.1 answers, which handles one request of a
// connection at a time; "make interop" asks it again.
//
//go:embed testdata/pipelined-commits.txt
var kafkaPipelined string

// Commits that come behind each other on one connection without waiting are
// answered as if each had waited for the answer to the one before.
func TestPipelinedCommits(t *testing.T) {
	srv := start(t, nil)
	got, err := PipelinedCommits(srv.Addr(), "pipelined")
	if err != nil {
		t.Fatal(err)
	}
	if got != kafkaPipelined {
		t.Errorf("answers:\n%s\nKafka's:\n%s", got, kafkaPipelined)
	}
}
