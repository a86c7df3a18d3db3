package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Controller sends a request to the active controller, repeating it until ctx
// ends; *forward.Client is one.
type Controller interface {
	Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
}

// Bounds of reporting.
const (
	reportBatch   = 2000                   // partitions in one request
	reportTimeout = 10 * time.Second       // of one request
	reportPause   = 100 * time.Millisecond // after the first failure; doubles
	reportMaxWait = 10 * time.Second
)

// reporter tells the controller what only this broker knows of its partitions:
//
//	opened in a directory that the metadata does not name  → AssignReplicasToDirs (KIP-858)
//	leads after an unclean election                        → AlterPartition: RECOVERED (KIP-704)
//
// A partition is put on the list when one of them may hold. What there is to
// say is worked out from the newest metadata when a request is made, so that an
// answer that is lost or a change that overtakes it needs no handling: said
// twice it is refused or changes nothing, and what has become true by itself is
// not said. One goroutine sends, one request of a kind at a time.
type reporter struct {
	m    *Manager
	wake chan struct{} // room for one

	mu sync.Mutex // guards list; a leaf
	// list counts how often a partition was noted, to see whether it was again
	// while a request was on its way.
	list map[*Partition]int
}

func newReporter(m *Manager) *reporter {
	return &reporter{m: m, wake: make(chan struct{}, 1), list: map[*Partition]int{}}
}

// note puts a partition on the list.
func (r *reporter) note(p *Partition) {
	if r.m.opts.Controller == nil {
		return
	}
	r.mu.Lock()
	r.list[p]++
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // it is awake already
	}
}

// opened is called when the log of p was opened in dir, under p.mu.
func (r *reporter) opened(p *Partition, dir ids.DirectoryID) {
	if reg := r.m.Image().Topics.Partition(p.TP()); reg != nil {
		if noted, here := reg.DirectoryOf(r.m.opts.Node); here && noted != dir {
			r.note(p)
		}
	}
}

// assigned is called when p got the registration reg.
func (r *reporter) assigned(p *Partition, reg *image.Partition) {
	if s := r.statement(p, reg); s.moved || s.recover {
		r.note(p)
	}
}

// statement is what there is to say of one partition.
type statement struct {
	p       *Partition
	n       int // of list when it was looked at
	reg     *image.Partition
	dir     ids.DirectoryID
	moved   bool // it is in dir
	recover bool // it leads and has recovered
	refused error
}

// statement works out what a registration lacks; reg may be nil.
func (r *reporter) statement(p *Partition, reg *image.Partition) *statement {
	s := &statement{p: p, reg: reg}
	if reg == nil {
		return s
	}
	s.recover = reg.Recovering && reg.Leader == r.m.opts.Node
	if noted, here := reg.DirectoryOf(r.m.opts.Node); here && r.m.Image().Features.MetadataVersion().SupportsDirectories() {
		dir, open := p.directory()
		s.dir, s.moved = dir, open && dir != noted
	}
	return s
}

// run sends until the manager stops.
func (r *reporter) run() {
	defer r.m.stopped.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-r.m.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	pause := time.Duration(0)
	for {
		if err := r.report(ctx); err == nil {
			pause = 0
		} else if ctx.Err() == nil {
			pause = min(max(2*pause, reportPause), reportMaxWait)
			r.m.log.Warn("the controller did not take a report on partitions, trying again", zap.Error(err), zap.Duration("after", pause))
		}
		if !r.rest(ctx, pause) {
			return
		}
	}
}

// rest waits for work, and after a failure for the pause; false when it is over.
func (r *reporter) rest(ctx context.Context, pause time.Duration) bool {
	if pause == 0 {
		select {
		case <-ctx.Done():
			return false
		case <-r.wake:
			return true
		}
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// report sends what is to be said until the list is empty or something fails.
func (r *reporter) report(ctx context.Context) error {
	for {
		said := r.look()
		if len(said) == 0 {
			return nil
		}
		if err := r.send(ctx, said); err != nil {
			return err
		}
		var refused error
		for _, s := range said {
			if s.refused == nil {
				r.strike(s)
			} else {
				refused = fmt.Errorf("%v: %w", s.p.TP(), s.refused)
			}
		}
		if refused != nil {
			return refused
		}
	}
}

// look works out what is to be said of the partitions on the list, in the order
// of their names, and strikes those of which there is nothing to say.
func (r *reporter) look() []*statement {
	r.mu.Lock()
	list := maps.Clone(r.list) // p.mu comes before r.mu, so partitions are not asked under it
	r.mu.Unlock()
	img := r.m.Image()
	var out []*statement
	for p, n := range list {
		var reg *image.Partition
		if topic := img.Topics.ByID(p.TopicID()); topic != nil {
			reg = topic.Partition(p.index)
		}
		s := r.statement(p, reg)
		s.n = n
		if s.moved || s.recover {
			out = append(out, s)
		} else {
			r.strike(s)
		}
	}
	slices.SortFunc(out, func(a, b *statement) int {
		return cmp.Or(cmp.Compare(a.p.topic.name, b.p.topic.name), cmp.Compare(a.p.index, b.p.index))
	})
	return out[:min(len(out), reportBatch)]
}

// strike takes a partition off the list unless it was noted again meanwhile.
func (r *reporter) strike(s *statement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list[s.p] == s.n {
		delete(r.list, s.p)
	}
}

// send makes the requests for what is to be said. What the controller refuses
// is noted in the statements; an error is of a request as a whole.
func (r *reporter) send(ctx context.Context, said []*statement) error {
	self := r.m.Image().Cluster.Broker(r.m.opts.Node)
	if self == nil {
		return fmt.Errorf("broker %d is not registered", r.m.opts.Node)
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := r.sendDirectories(ctx, self, said); err != nil {
		return err
	}
	return r.sendRecovered(ctx, self, said)
}

func (r *reporter) sendDirectories(ctx context.Context, self *image.Broker, said []*statement) error {
	req := kmsg.NewPtrAssignReplicasToDirsRequest()
	req.BrokerID, req.BrokerEpoch = int32(self.ID), self.Epoch
	for _, s := range said {
		if s.moved {
			addDirectory(req, s)
		}
	}
	if len(req.Directories) == 0 {
		return nil
	}
	resp, err := r.m.opts.Controller.Do(ctx, req)
	if err != nil {
		return fmt.Errorf("directories of replicas: %w", err)
	}
	answer, ok := resp.(*kmsg.AssignReplicasToDirsResponse)
	if !ok {
		return errors.New("directories of replicas: answered with another message")
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return fmt.Errorf("directories of replicas: %w", err)
	}
	codes := answers{}
	for _, d := range answer.Directories {
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				codes[place{t.TopicID, p.Partition}] = p.ErrorCode
			}
		}
	}
	codes.judge(said, func(s *statement) bool { return s.moved })
	return nil
}

// addDirectory adds a partition to the entries of its directory and topic;
// partitions come in the order of topics.
func addDirectory(req *kmsg.AssignReplicasToDirsRequest, s *statement) {
	i := slices.IndexFunc(req.Directories, func(d kmsg.AssignReplicasToDirsRequestDirectory) bool { return d.ID == s.dir })
	if i < 0 {
		i = len(req.Directories)
		d := kmsg.NewAssignReplicasToDirsRequestDirectory()
		d.ID = s.dir
		req.Directories = append(req.Directories, d)
	}
	topics := &req.Directories[i].Topics
	if n := len(*topics); n == 0 || (*topics)[n-1].TopicID != s.p.TopicID() {
		t := kmsg.NewAssignReplicasToDirsRequestDirectoryTopic()
		t.TopicID = s.p.TopicID()
		*topics = append(*topics, t)
	}
	t := &(*topics)[len(*topics)-1]
	p := kmsg.NewAssignReplicasToDirsRequestDirectoryTopicPartition()
	p.Partition = s.p.index
	t.Partitions = append(t.Partitions, p)
}

// sendRecovered says that leaders have recovered. The ISR stays what it is:
// while it recovers a leader is alone in it.
func (r *reporter) sendRecovered(ctx context.Context, self *image.Broker, said []*statement) error {
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version, req.BrokerID, req.BrokerEpoch = 3, int32(self.ID), self.Epoch
	for _, s := range said {
		if s.recover {
			addRecovered(req, s)
		}
	}
	if len(req.Topics) == 0 {
		return nil
	}
	resp, err := r.m.opts.Controller.Do(ctx, req)
	if err != nil {
		return fmt.Errorf("recovered leaders: %w", err)
	}
	answer, ok := resp.(*kmsg.AlterPartitionResponse)
	if !ok {
		return errors.New("recovered leaders: answered with another message")
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return fmt.Errorf("recovered leaders: %w", err)
	}
	codes := answers{}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			codes[place{t.TopidID, p.Partition}] = p.ErrorCode
		}
	}
	codes.judge(said, func(s *statement) bool { return s.recover })
	return nil
}

func addRecovered(req *kmsg.AlterPartitionRequest, s *statement) {
	if n := len(req.Topics); n == 0 || req.Topics[n-1].TopicID != s.p.TopicID() {
		t := kmsg.NewAlterPartitionRequestTopic()
		t.TopicID = s.p.TopicID()
		req.Topics = append(req.Topics, t)
	}
	p := kmsg.NewAlterPartitionRequestTopicPartition()
	p.Partition, p.LeaderEpoch, p.PartitionEpoch = s.p.index, int32(s.reg.LeaderEpoch), s.reg.PartitionEpoch
	for _, id := range s.reg.ISR {
		m := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
		m.BrokerID = int32(id)
		p.NewEpochISR = append(p.NewEpochISR, m)
	}
	t := &req.Topics[len(req.Topics)-1]
	t.Partitions = append(t.Partitions, p)
}

// place names a partition in an answer.
type place struct {
	topic     ids.TopicID
	partition int32
}

// answers are the codes of a response.
type answers map[place]int16

// judge notes who was refused, or left out, among those that were asked for.
func (a answers) judge(said []*statement, asked func(*statement) bool) {
	for _, s := range said {
		if !asked(s) {
			continue
		}
		if code, ok := a[place{s.p.TopicID(), s.p.index}]; !ok {
			s.refused = errors.New("not answered for")
		} else if err := kerr.ErrorForCode(code); err != nil {
			s.refused = err
		}
	}
}
