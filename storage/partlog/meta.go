package partlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// MetadataFile is the file that ties a directory to its topic's id:
//
//	version: 0
//	topic_id: 5L6g3nShT-eMCtK--X86sw
const MetadataFile = "partition.metadata"

// ErrMetadata marks a partition.metadata that cannot be read as one.
var ErrMetadata = errors.New("invalid partition.metadata")

// EncodeMetadata renders partition.metadata.
func EncodeMetadata(id ids.TopicID) []byte { return fmt.Appendf(nil, "version: 0\ntopic_id: %s", id) }

// ParseMetadata reads partition.metadata.
func ParseMetadata(b []byte) (ids.TopicID, error) {
	version, rest, _ := strings.Cut(string(b), "\n")
	key, value, _ := strings.Cut(strings.TrimSuffix(rest, "\n"), ": ")
	if version != "version: 0" || key != "topic_id" {
		return ids.TopicID{}, fmt.Errorf("%w: %.80q", ErrMetadata, b)
	}
	id, err := ids.ParseUUID(value)
	if err != nil || id.IsZero() {
		return ids.TopicID{}, fmt.Errorf("%w: topic id %.30q: %v", ErrMetadata, value, err)
	}
	return ids.TopicID(id), nil
}

// ReadMetadata reads the topic id of a partition directory; zero without an
// error when the file is absent or was torn by a crash: it is written without
// a sync first, and synced with the first flush.
func ReadMetadata(fsys vfs.FS, dir string) (ids.TopicID, error) {
	b, err := vfs.ReadFile(fsys, dir+"/"+MetadataFile, 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return ids.TopicID{}, nil
	}
	if err != nil {
		return ids.TopicID{}, err
	}
	id, err := ParseMetadata(b)
	if err != nil {
		return ids.TopicID{}, nil //nolint:nilerr // as absent: the owner knows the id and writes it again
	}
	return id, nil
}

// materialise makes the directory and partition.metadata. Callers hold wmu and mu.
func (l *Log) materialise() error {
	if !l.made {
		l.births.Add(1)
		if err := l.dir.FS.MkdirAll(l.dir.Path); err != nil {
			return err
		}
		l.made = true
		l.named++
	}
	if l.idKnown || l.topicID.IsZero() {
		return nil
	}
	l.births.Add(1)
	if err := writeFile(l.dir.FS, l.dir.Path+"/"+MetadataFile, EncodeMetadata(l.topicID), false); err != nil {
		return err
	}
	l.idKnown = true
	l.named++
	return nil
}

func writeFile(fsys vfs.FS, name string, b []byte, sync bool) error {
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	if sync {
		return f.Sync()
	}
	return nil
}

// ReplaceFile writes a file so that a crash leaves the old contents or the
// new, never a mixture: temporary file, sync, rename, sync of the directory.
func ReplaceFile(fsys vfs.FS, name string, b []byte) error {
	if err := renameInto(fsys, name, b); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}

// renameInto is ReplaceFile but for the sync of the directory.
func renameInto(fsys vfs.FS, name string, b []byte) error {
	tmp := name + ".tmp"
	if err := writeFile(fsys, tmp, b, true); err != nil {
		return err
	}
	return fsys.Rename(tmp, name)
}

// namesDirty tells whether a file was made whose entry in the directory is not
// durable. Callers hold mu.
func (l *Log) namesDirty() bool { return l.named > l.namesKept }

// syncNames makes the directory's entries durable, and once also partition.metadata
// and the directory's own entry: a roll waits for one sync and not for three.
func (l *Log) syncNames() error {
	births := l.births.Load() // before anything is synced: materialise may run beside a flush
	known := l.settled.Load() > births
	if !known {
		if err := vfs.SyncFile(l.dir.FS, l.dir.Path+"/"+MetadataFile); err != nil {
			return err
		}
	}
	if err := l.dir.FS.SyncDir(l.dir.Path); err != nil || known {
		return err
	}
	if err := l.dir.FS.SyncDir(path.Dir(l.dir.Path)); err != nil {
		return err
	}
	l.settled.Store(births + 1)
	return nil
}
