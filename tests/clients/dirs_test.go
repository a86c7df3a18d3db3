package clients

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
)

// TestDirectories tells the story of Directories and compares it with the one
// that Apache Kafka tells; interop asks Apache Kafka again whether it still does.
func TestDirectories(t *testing.T) {
	extra, paths := DirsSettings(t.TempDir())
	srv, err := node.Run(gregor(t), extra)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	got, err := Directories(ctx, srv, paths)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, strings.Join(got, "\n"), srv.Output())
	}
	want, err := os.ReadFile("testdata/dirs.txt")
	if err != nil {
		t.Fatal(err)
	}
	if story := strings.Join(got, "\n") + "\n"; story != string(want) {
		t.Errorf("got:\n%s\nApache Kafka says:\n%s", story, want)
	}
}
