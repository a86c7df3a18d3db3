package logdir

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// MetaFile is the file that says whose a directory is, in the format of Java
// properties:
//
//	cluster.id=5L6g3nShT-eMCtK--X86sw
//	directory.id=Hc0k9TdfTQyQ3WyJRPRhZA
//	node.id=1
//	version=1
const MetaFile = "meta.properties"

// ErrMeta marks a meta.properties that cannot be read as one.
var ErrMeta = errors.New("invalid meta.properties")

// MetaProperties is meta.properties, version 1.
type MetaProperties struct {
	Version     int
	ClusterID   string
	NodeID      ids.NodeID
	HasNodeID   bool
	DirectoryID ids.DirectoryID // zero = absent (a folder formatted before KIP-858)
}

// ReadMeta reads the file; fs.ErrNotExist (wrapped) means an unformatted directory.
func ReadMeta(fsys vfs.FS, dir string) (MetaProperties, error) {
	b, err := vfs.ReadFile(fsys, dir+"/"+MetaFile, 64<<10)
	if err != nil {
		return MetaProperties{}, err
	}
	m, err := ParseMeta(b)
	if err != nil {
		return m, fmt.Errorf("%s/%s: %w", dir, MetaFile, err)
	}
	return m, nil
}

// ParseMeta reads the contents of meta.properties. Unknown keys are ignored.
func ParseMeta(b []byte) (MetaProperties, error) {
	m := MetaProperties{Version: -1}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return m, fmt.Errorf("%w: line %.80q", ErrMeta, line)
		}
		if err := m.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return m, err
		}
	}
	if m.Version != 0 && m.Version != 1 {
		return m, fmt.Errorf("%w: version is %d, not 0 or 1", ErrMeta, m.Version)
	}
	if m.ClusterID == "" || !m.HasNodeID {
		return m, fmt.Errorf("%w: cluster.id and node.id are needed", ErrMeta)
	}
	return m, nil
}

func (m *MetaProperties) set(key, value string) error {
	value = strings.ReplaceAll(value, `\`, "") // Java escapes ':' and '='
	switch key {
	case "version":
		v, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%w: version %.20q", ErrMeta, value)
		}
		m.Version = v
	case "cluster.id":
		m.ClusterID = value
	case "node.id", "broker.id":
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: %s %.20q", ErrMeta, key, value)
		}
		m.NodeID, m.HasNodeID = ids.NodeID(n), true
	case "directory.id":
		id, err := ids.ParseUUID(value)
		if err != nil {
			return fmt.Errorf("%w: directory.id: %w", ErrMeta, err)
		}
		m.DirectoryID = ids.DirectoryID(id)
	}
	return nil
}

// EncodeMeta renders meta.properties.
func EncodeMeta(m MetaProperties) []byte {
	b := []byte("#\n")
	b = fmt.Appendf(b, "cluster.id=%s\n", m.ClusterID)
	if !m.DirectoryID.IsZero() {
		b = fmt.Appendf(b, "directory.id=%s\n", m.DirectoryID)
	}
	if m.HasNodeID {
		b = fmt.Appendf(b, "node.id=%d\n", m.NodeID)
	}
	return fmt.Appendf(b, "version=%d\n", m.Version)
}

// WriteMeta writes meta.properties atomically and durably.
func WriteMeta(fsys vfs.FS, dir string, m MetaProperties) error {
	return partlog.ReplaceFile(fsys, dir+"/"+MetaFile, EncodeMeta(m))
}
