package check

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"syscall"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/vfs"
)

func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

const (
	bootstrapFile = "bootstrap.checkpoint"
	quorumState   = "quorum-state"
	// handedOut is the directory ids from here on: below are those that mean
	// "unassigned", "lost" and what Kafka reserves besides.
	handedOut = 100
)

// checkpointFiles hold offsets of partitions.
var checkpointFiles = [...]string{logdir.RecoveryFile, logdir.StartFile, logdir.ReplicationFile, logdir.CleanerFile}

// ownFiles are a data directory's own: identity, marks and checkpoints.
type ownFiles struct {
	*checker
	dir     string
	clean   bool // it was closed cleanly: nothing above the recovery points
	offsets [len(checkpointFiles)]logdir.Offsets
}

func (c *checker) ownFiles(dir string, names []vfs.Entry) *ownFiles {
	o := &ownFiles{checker: c, dir: dir}
	c.meta(dir)
	for i, name := range checkpointFiles {
		o.offsets[i] = c.offsets(dir + "/" + name)
	}
	if b, ok := c.read(dir + "/" + logdir.CleanFile); ok {
		o.clean = true
		var mark struct{ Version, BrokerEpoch *int64 }
		if err := json.Unmarshal(b, &mark); len(b) > 0 && (err != nil || mark.Version == nil || mark.BrokerEpoch == nil) {
			c.repairable(dir+"/"+logdir.CleanFile, 0, "no version and brokerEpoch in %.80q", b)
		}
	}
	if slices.ContainsFunc(names, func(e vfs.Entry) bool { return e.Name == bootstrapFile }) {
		c.snapshot(dir + "/" + bootstrapFile)
	}
	return o
}

// meta verifies meta.properties, alone and beside those of the directories before.
func (c *checker) meta(dir string) {
	name := dir + "/" + logdir.MetaFile
	b, ok := c.read(name)
	if !ok {
		c.find(name, -1, "missing: the folder is not formatted, no server starts with it")
		return
	}
	m, err := logdir.ParseMeta(b)
	if err != nil {
		c.find(name, 0, "%v", err)
		return
	}
	if id := ids.UUID(m.DirectoryID); !m.DirectoryID.IsZero() && reserved(id) {
		c.find(name, int64(strings.Index(string(b), "directory.id")), "directory.id %s is reserved", id)
	}
	for _, other := range c.order {
		o := c.metas[other]
		switch {
		case o.ClusterID != m.ClusterID:
			c.find(name, int64(strings.Index(string(b), "cluster.id")), "cluster.id is %s, that of %s is %s", m.ClusterID, other, o.ClusterID)
		case o.NodeID != m.NodeID:
			c.find(name, int64(strings.Index(string(b), "node.id")), "node.id is %d, that of %s is %d", m.NodeID, other, o.NodeID)
		case o.DirectoryID == m.DirectoryID && !m.DirectoryID.IsZero():
			c.find(name, int64(strings.Index(string(b), "directory.id")), "%s has the same directory.id %s", other, m.DirectoryID)
		}
	}
	c.metas[dir] = m
	c.order = append(c.order, dir)
}

// reserved ids are the first hundred numbers.
func reserved(id ids.UUID) bool { return id == ids.UUID{15: id[15]} && id[15] < handedOut }

func (c *checker) offsets(name string) logdir.Offsets {
	b, ok := c.read(name)
	if !ok {
		return logdir.Offsets{}
	}
	o, err := logdir.ParseOffsets(b)
	if err != nil {
		c.repairable(name, lineOf(b, err), "%v", err)
		return logdir.Offsets{}
	}
	return o
}

// lineOf finds the byte of the line that a parser's error names ("line 3: …").
func lineOf(b []byte, err error) int64 {
	_, rest, ok := strings.Cut(err.Error(), "line ")
	n := 0
	for ok && len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' {
		n, rest = n*10+int(rest[0]-'0'), rest[1:]
	}
	pos := int64(0)
	for line := range strings.Lines(string(b)) {
		if n--; n <= 0 {
			break
		}
		pos += int64(len(line))
	}
	return pos
}

// knows tells the names that a data directory may hold.
func (o *ownFiles) knows(name string) bool {
	name = strings.TrimSuffix(name, ".tmp")
	switch name {
	case logdir.MetaFile, logdir.CleanFile, logdir.LockFile, bootstrapFile:
		return true
	}
	return slices.Contains(checkpointFiles[:], name)
}

// partitionFacts are what the checkpoints say of a partition; -1 where they say nothing.
type partitionFacts struct {
	known                              bool
	recovery, start, replicated, clean ids.Offset
	dir                                string
	closed                             bool // cleanly: everything is flushed
}

// take returns what the checkpoints say of a partition, which is then accounted for.
func (o *ownFiles) take(tp ids.TopicPartition) partitionFacts {
	f := partitionFacts{known: true, dir: o.dir, closed: o.clean}
	for i, to := range []*ids.Offset{&f.recovery, &f.start, &f.replicated, &f.clean} {
		*to = ids.NoOffset
		if off, ok := o.offsets[i][tp]; ok {
			*to = off
			delete(o.offsets[i], tp)
		}
	}
	return f
}

// leftOver reports what checkpoints say of partitions that are not there. A
// partition that never had a record needs no folder.
func (o *ownFiles) leftOver() {
	for i, name := range checkpointFiles {
		var lost []string
		for tp, off := range o.offsets[i] {
			if off > 0 {
				lost = append(lost, tp.String())
			}
		}
		slices.Sort(lost)
		b, _ := o.read(o.dir + "/" + name)
		for _, tp := range lost {
			dash := strings.LastIndexByte(tp, '-')
			at := strings.Index(string(b), "\n"+tp[:dash]+" "+tp[dash+1:]+" ")
			o.repairable(o.dir+"/"+name, int64(at+1), "%s has an offset, but no folder here", tp)
		}
	}
}
