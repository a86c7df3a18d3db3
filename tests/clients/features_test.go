package clients

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// TestFeaturesGoUpAndDown tells the story of Features, from 3.3-IV3 to 4.3-IV0,
// and compares it with the one that Apache Kafka tells; interop asks Apache Kafka
// again whether it still does.
func TestFeaturesGoUpAndDown(t *testing.T) {
	srv, err := FeaturesNode(gregor(t))
	if err != nil {
		t.Fatal(err)
	}
	defer end(t, srv)
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	got, err := Features(ctx, srv)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(got, "\n"))
	}
	want, err := os.ReadFile("testdata/features.txt")
	if err != nil {
		t.Fatal(err)
	}
	if story := strings.Join(got, "\n") + "\n"; story != string(want) {
		t.Errorf("got:\n%s\nApache Kafka says:\n%s", story, want)
	}
	if n := strings.Count(srv.Output(), "Loaded a metadata snapshot"); n < 5 {
		t.Errorf("%d starts began with a snapshot", n)
	}
}
