package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is checked in is what the descriptions generate.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	for _, c := range []struct{ dir, in, pkg, single string }{
		{"controller/records", "metadata.txt", "records", ""},
		{"groupcoord/records", "groups.txt", "records", ""},
		{"protocol/batch", "control.txt", "batch", "control_generated.go"},
	} {
		out, dir := t.TempDir(), filepath.Join(root, c.dir)
		if err := run(filepath.Join(dir, c.in), out, c.pkg, c.single); err != nil {
			t.Fatal(err)
		}
		fresh, err := filepath.Glob(filepath.Join(out, "*.go"))
		if err != nil || len(fresh) == 0 {
			t.Fatal(err, fresh)
		}
		for _, name := range fresh {
			want, _ := os.ReadFile(name)
			have, err := os.ReadFile(filepath.Join(dir, filepath.Base(name)))
			if err != nil || !bytes.Equal(want, have) {
				t.Errorf("%s/%s is not what gen makes of %s: run go generate (%v)", c.dir, filepath.Base(name), c.in, err)
			}
		}
	}
}

func TestSnake(t *testing.T) {
	for in, want := range map[string]string{"PartitionChangeRecord": "partition_change_record", "ProducerIDsRecord": "producer_ids_record", "ClearELRRecord": "clear_elr_record", "ZKMigrationState": "zk_migration_state"} {
		if got := snake(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
