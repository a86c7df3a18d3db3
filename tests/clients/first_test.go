package clients

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// The first commit of a cluster's life: the offsets topic does not exist yet,
// and the client that comes first must not be told anything it can not retry.
func TestFirstCommitEver(t *testing.T) {
	for range 5 {
		srv := start(t, nil)
		ctx := patience(t)
		adm := kadm.NewClient(client(t, srv))
		if _, err := adm.CreateTopic(ctx, 1, 1, nil, "first"); err != nil {
			t.Fatal(err)
		}
		os := kadm.Offsets{}
		os.AddOffset("first", 0, 0, -1)
		if err := adm.CommitAllOffsets(ctx, "first", os); err != nil {
			t.Errorf("first commit: %v", err)
		}
		srv.Close()
	}
}

// A topic's id is what tells a new topic from the one before it of the same
// name: a controller that starts again must not hand out the same ids again.
func TestRestartMakesNewIDs(t *testing.T) {
	srv := start(t, nil)
	ctx := patience(t)
	adm := kadm.NewClient(client(t, srv))
	seen := map[kadm.TopicID]string{}
	for i := range 4 {
		name := fmt.Sprint("topic-", i)
		r, err := adm.CreateTopic(ctx, 1, 1, nil, name)
		if err != nil {
			t.Fatalf("%s, after %d restarts: %v", name, i, err)
		}
		if before, dup := seen[r.ID]; dup {
			t.Fatalf("%s has the id of %s", name, before)
		}
		seen[r.ID] = name
		if _, err := srv.Term(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
	}
}
