package check

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// partition is a check of one partition under way.
type partition struct {
	*checker
	dir   string
	tp    ids.TopicPartition
	facts partitionFacts
	raft  bool // the metadata log

	bases     []ids.Offset // of segments
	snapshots []ids.Offset // of producer state
	epochs    *epochs.History
	replay    *replay

	next  ids.Offset // behind the batch read last
	epoch ids.LeaderEpoch
	holes bool // offsets are missing: compaction has been here
	thin  bool // … also within a segment or batch, which nothing but compaction does
	gaps  []gap

	// Of the metadata log: the epoch of its election state, and the end of its newest whole snapshot.
	elected *ids.LeaderEpoch
	covered ids.Offset
	marked  bool // facts.recovery is that of high-watermark
}

// gap is offsets that no segment holds.
type gap struct {
	file       string // of the segment behind
	from, upTo ids.Offset
}

// partition verifies one partition's directory.
func (c *checker) partition(dir string, tp ids.TopicPartition, facts partitionFacts) error {
	p := &partition{checker: c, dir: dir, tp: tp, facts: facts, epoch: ids.NoEpoch, raft: tp.Topic == logdir.MetadataTopic}
	names, err := c.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	c.total.Partitions++
	for _, e := range names {
		p.file(e)
	}
	slices.Sort(p.bases)
	slices.Sort(p.snapshots)
	p.orphans(names)
	p.readEpochs()
	p.topicID()
	p.replay = newReplay(p)
	for i, base := range p.bases {
		if err := p.segment(base, i+1 == len(p.bases)); err != nil {
			return err
		}
	}
	p.replay.end()
	p.missing()
	p.ends()
	p.reach()
	return nil
}

// file looks at one name of the directory.
func (p *partition) file(e vfs.Entry) {
	full := p.dir + "/" + e.Name
	name := strings.TrimSuffix(e.Name, ".tmp")
	base, ok := offsetName(name)
	switch ext := path.Ext(name); {
	case e.IsDir:
		p.find(full, -1, "a stray folder in that of a partition")
	case name == partlog.MetadataFile || name == epochs.FileName:
	case p.raft && name == markFile:
		p.mark(full)
	case p.raft && name == quorumState:
		p.quorumState(full)
	case p.raft && isSnapshot(e.Name):
		if off, _ := strconv.ParseInt(name[:20], 10, 64); p.checker.snapshot(full) {
			p.covered = max(p.covered, ids.Offset(off))
		}
	case ok && ext == segment.LogSuffix:
		p.bases = append(p.bases, base)
	case ok && ext == segment.SnapshotSuffix:
		p.snapshots = append(p.snapshots, base)
	case ok && (ext == segment.IndexSuffix || ext == segment.TimeSuffix || ext == segment.TxnSuffix):
	case leftBehind(name, p.raft):
	default:
		p.find(full, -1, "a stray file: no server makes or reads it here")
	}
}

// offsetName reads the 20 digits in front of a file's extension.
func offsetName(name string) (ids.Offset, bool) {
	stem, _, _ := strings.Cut(name, ".")
	n, err := strconv.ParseInt(stem, 10, 64)
	return ids.Offset(n), err == nil && len(stem) == 20 && n >= 0
}

// leftBehind tells files that a server was about to put in place or remove: the
// next start finishes what it was about.
func leftBehind(name string, raft bool) bool {
	for _, tail := range []string{segment.DeletedSuffix, segment.CleanedSuffix, segment.SwapSuffix} {
		if stem, ok := strings.CutSuffix(name, tail); ok {
			_, isFile := offsetName(stem)
			return isFile || raft && isSnapshot(stem)
		}
	}
	return raft && strings.HasSuffix(name, ".part")
}

// orphans reports indexes without their segment.
func (p *partition) orphans(names []vfs.Entry) {
	for _, e := range names {
		base, ok := offsetName(e.Name)
		ext := path.Ext(e.Name)
		if _, there := slices.BinarySearch(p.bases, base); ok && !there && (ext == segment.IndexSuffix || ext == segment.TimeSuffix || ext == segment.TxnSuffix) {
			p.repairable(p.dir+"/"+e.Name, -1, "an index without its %s file", segment.LogSuffix)
		}
	}
}

// topicID verifies partition.metadata: one id a topic, one topic an id.
func (p *partition) topicID() {
	name := p.dir + "/" + partlog.MetadataFile
	b, ok := p.read(name)
	if !ok {
		return // a log without records has none yet, one of before 2.8 neither
	}
	id, err := partlog.ParseMetadata(b)
	if err != nil {
		p.find(name, 0, "%v", err)
		return
	}
	at := topicAt{p.tp.Topic, id, name}
	if was, ok := p.topics[p.tp.Topic]; ok && was.id != id {
		p.find(name, int64(strings.Index(string(b), "topic_id")), "topic_id is %s, that in %s is %s", id, was.path, was.id)
	} else if was, ok := p.byID[id]; ok && was.name != p.tp.Topic {
		p.find(name, int64(strings.Index(string(b), "topic_id")), "topic_id %s is that of %s", id, was.path)
	}
	if _, ok := p.topics[p.tp.Topic]; !ok {
		p.topics[p.tp.Topic], p.byID[id] = at, at
	}
}

func (p *partition) readEpochs() {
	name := p.dir + "/" + epochs.FileName
	p.epochs = &epochs.History{}
	b, ok := p.read(name)
	if !ok {
		return
	}
	h, err := epochs.Parse(b)
	if err != nil {
		p.repairable(name, lineOf(b, err), "%v", err)
		p.epochs = nil
		return
	}
	if n := strings.Count(string(b), "\n") - 2; len(h.Entries()) != n {
		p.find(name, 0, "epochs or offsets that do not grow: %d of %d entries count", len(h.Entries()), n)
	}
	p.epochs = h
}

// missing tells of segments that are gone. Compaction leaves gaps too, but
// never between segments alone: it thins out batches on its way.
func (p *partition) missing() {
	if p.thin && !p.raft {
		return
	}
	for _, g := range p.gaps {
		p.find(g.file, 0, "offsets %d to %d in front of it are missing: is there a segment gone?", g.from, g.upTo-1)
	}
}

// flushed tells whether the log at off was on disk before the last stop: damage
// there is not what a crash leaves.
func (p *partition) flushed(off ids.Offset) bool {
	return p.facts.closed || p.facts.known && off < p.facts.recovery
}

// ends compares the checkpoints with where the log begins and ends.
func (p *partition) ends() {
	if !p.facts.known || len(p.bases) == 0 {
		return
	}
	for i, off := range []ids.Offset{p.facts.recovery, p.facts.start, p.facts.replicated, p.facts.clean} {
		name := p.facts.dir + "/" + checkpointFiles[i]
		if i == 0 && p.marked {
			name = p.dir + "/" + markFile
		}
		switch {
		case off > p.next && checkpointFiles[i] == logdir.CleanerFile:
			p.repairable(name, -1, "%s was cleaned up to offset %d, but ends at %d", p.tp, off, p.next)
		case off > p.next:
			p.find(name, -1, "%s has offset %d, but the log ends at %d: records are missing", p.tp, off, p.next)
		}
	}
	if e, ok := p.latestEpoch(); ok && e.Start > p.next {
		p.find(p.dir+"/"+epochs.FileName, -1, "epoch %d begins at offset %d, but the log ends at %d", e.Epoch, e.Start, p.next)
	}
}

func (p *partition) latestEpoch() (epochs.Entry, bool) {
	if p.epochs == nil {
		return epochs.Entry{}, false
	}
	return p.epochs.Latest()
}
