package raftio

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// A snapshot that was cut off anywhere, or ends with another control batch than the footer, is none.
func TestASnapshotEndsWithItsFooter(t *testing.T) {
	fs := newDisk(t)
	whole := "/data/" + SnapshotName(ids.OffsetAndEpoch{Offset: 9, Epoch: 2})
	if err := WriteSnapshotFile(SnapshotOptions{FS: fs, Path: whole, Epoch: 2}, slices.Values([][]byte{[]byte("a"), []byte("b")})); err != nil {
		t.Fatal(err)
	}
	data, err := vfs.ReadFile(fs, whole, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	header, _, err := batch.Next(data)
	if err != nil {
		t.Fatal(err)
	}
	bad := [][]byte{slices.Concat(header, header)}
	for n := range data {
		bad = append(bad, data[:n])
	}
	for _, b := range bad {
		if err := readSnapshotFrom(t, fs, b); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("%d of %d bytes: %v", len(b), len(data), err)
		}
	}
	if err := readSnapshotFrom(t, fs, data); err != nil {
		t.Error(err)
	}
}

func readSnapshotFrom(t *testing.T, fs vfs.FS, data []byte) error {
	t.Helper()
	const name = "/data/copy"
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err == nil {
		_, err = f.WriteAt(data, 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenSnapshot(fs, name)
	if err != nil {
		return err
	}
	return errors.Join(r.check(), r.Close())
}
