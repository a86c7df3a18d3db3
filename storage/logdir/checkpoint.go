package logdir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// The checkpoint files of a directory, each "version, count, then a line a partition":
//
//	0
//	2
//	orders 0 1500
//	orders 1 7
const (
	RecoveryFile    = "recovery-point-offset-checkpoint"
	StartFile       = "log-start-offset-checkpoint"
	ReplicationFile = "replication-offset-checkpoint"
	CleanerFile     = "cleaner-offset-checkpoint"
	// CleanFile exists after a clean shutdown only; {"version":0,"brokerEpoch":17}.
	CleanFile = ".kafka_cleanshutdown"
	// LockFile is locked while a process uses the directory.
	LockFile = ".lock"
)

// ErrCheckpoint marks a checkpoint file that cannot be parsed.
var ErrCheckpoint = errors.New("invalid offset checkpoint")

// Offsets is the contents of a checkpoint file.
type Offsets map[ids.TopicPartition]ids.Offset

// EncodeOffsets renders a checkpoint, sorted.
func EncodeOffsets(o Offsets) []byte {
	keys := make([]ids.TopicPartition, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if keys[i].Topic != keys[j].Topic {
			return keys[i].Topic < keys[j].Topic
		}
		return keys[i].Partition < keys[j].Partition
	})
	b := make([]byte, 0, 16+32*len(o))
	b = append(b, "0\n"...)
	b = append(strconv.AppendInt(b, int64(len(o)), 10), '\n')
	for _, k := range keys {
		b = append(append(b, k.Topic...), ' ')
		b = append(strconv.AppendInt(b, int64(k.Partition), 10), ' ')
		b = append(strconv.AppendInt(b, int64(o[k]), 10), '\n')
	}
	return b
}

// ParseOffsets reads a checkpoint.
func ParseOffsets(b []byte) (Offsets, error) {
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) < 2 || lines[0] != "0" {
		return nil, fmt.Errorf("%w: no version 0 and count in the first two lines", ErrCheckpoint)
	}
	if n, err := strconv.Atoi(lines[1]); err != nil || n != len(lines)-2 {
		return nil, fmt.Errorf("%w: %q entries announced, %d lines follow", ErrCheckpoint, lines[1], len(lines)-2)
	}
	out := make(Offsets, len(lines)-2)
	for i, line := range lines[2:] {
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, fmt.Errorf("%w: line %d: %.80q", ErrCheckpoint, i+3, line)
		}
		p, err1 := strconv.ParseInt(f[1], 10, 32)
		off, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 != nil || err2 != nil || p < 0 || off < 0 {
			return nil, fmt.Errorf("%w: line %d: %.80q", ErrCheckpoint, i+3, line)
		}
		out[ids.TopicPartition{Topic: f[0], Partition: int32(p)}] = ids.Offset(off)
	}
	return out, nil
}

// ReadOffsets reads a checkpoint file; an absent one is empty.
func ReadOffsets(fsys vfs.FS, dir, name string) (Offsets, error) {
	b, err := vfs.ReadFile(fsys, dir+"/"+name, 1<<30)
	if errors.Is(err, fs.ErrNotExist) {
		return Offsets{}, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := ParseOffsets(b)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", dir, name, err)
	}
	return o, nil
}

// WriteOffsets replaces a checkpoint file atomically and durably.
func WriteOffsets(fsys vfs.FS, dir, name string, o Offsets) error {
	return partlog.ReplaceFile(fsys, dir+"/"+name, EncodeOffsets(o))
}

type cleanShutdown struct {
	Version     int    `json:"version"`
	BrokerEpoch *int64 `json:"brokerEpoch"`
}

// takeClean tells whether the directory was closed cleanly, and removes the mark
// for good before anything is written: a crash from now on is not clean.
func takeClean(fsys vfs.FS, dir string) (clean bool, brokerEpoch int64, err error) {
	b, err := vfs.ReadFile(fsys, dir+"/"+CleanFile, 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return false, -1, nil
	}
	if err != nil {
		return false, -1, err
	}
	var c cleanShutdown
	brokerEpoch = -1
	if json.Unmarshal(b, &c) == nil && c.BrokerEpoch != nil { // before Kafka 3.7 the file was empty
		brokerEpoch = *c.BrokerEpoch
	}
	if err := fsys.Remove(dir + "/" + CleanFile); err != nil {
		return false, -1, err
	}
	return true, brokerEpoch, fsys.SyncDir(dir)
}

func writeClean(fsys vfs.FS, dir string, brokerEpoch int64) error {
	b, err := json.Marshal(cleanShutdown{0, &brokerEpoch})
	if err != nil {
		return err
	}
	return partlog.ReplaceFile(fsys, dir+"/"+CleanFile, b)
}
