package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Creations are topics that are created one after another, whatever happens to
// the controllers meanwhile. An attempt may fail; none may fail for good, and
// what was acknowledged has to be in the metadata for ever.
type Creations struct {
	cl     *kgo.Client
	prefix string
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex // guards what follows
	names []string
	grown chan struct{} // closed when names grow
	err   error
}

// patience is how long one topic may take.
const patience = 45 * time.Second

// Create creates topics of two partitions through a broker until Stop, with a
// pause between two of them.
func Create(broker *Server, prefix string, pause time.Duration) (*Creations, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Creations{cl: cl, prefix: prefix, cancel: cancel, done: make(chan struct{}), grown: make(chan struct{})}
	go c.run(ctx, pause)
	return c, nil
}

func (c *Creations) run(ctx context.Context, pause time.Duration) {
	defer close(c.done)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	adm := kadm.NewClient(c.cl)
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("%s-%06d", c.prefix, n)
		err := c.create(ctx, adm, name)
		c.mu.Lock()
		if err == nil {
			c.names = append(c.names, name)
			close(c.grown)
			c.grown = make(chan struct{})
		} else if ctx.Err() == nil {
			c.err = fmt.Errorf("topic %s: %w", name, err)
			close(c.grown)
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (c *Creations) create(ctx context.Context, adm *kadm.Client, name string) (err error) {
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err = adm.CreateTopic(attempt, 2, 1, nil, name)
		cancel()
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			return nil
		}
	}
	return err
}

// More waits until n more topics were acknowledged.
func (c *Creations) More(n int) error {
	late := time.After(2 * patience)
	c.mu.Lock()
	want := len(c.names) + n
	for len(c.names) < want && c.err == nil {
		grown := c.grown
		c.mu.Unlock()
		select {
		case <-grown:
		case <-late:
			return fmt.Errorf("no %d topics more in %v", n, 2*patience)
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	return c.err
}

// Stop ends the work and returns the topics that were acknowledged.
func (c *Creations) Stop() ([]string, error) {
	c.cancel()
	<-c.done
	c.cl.Close()
	return c.names, c.err
}

// OneHistory checks the metadata logs of several nodes that all hold what was
// committed before end: they are the same, and every name is in them.
func OneHistory(end int64, names []string, of ...*Server) error {
	logs := make([]Batches, len(of))
	for i, s := range of {
		var err error
		if logs[i], err = s.MetadataLog(); err != nil {
			return err
		}
	}
	for i, a := range logs {
		for j, b := range logs {
			if err := SameHistory(a, b, end); err != nil {
				return fmt.Errorf("%s %d and %s %d: %w", of[i].Name(), of[i].ID(), of[j].Name(), of[j].ID(), err)
			}
		}
		for _, name := range names {
			if _, whole := a[0]; whole && !a.has(name, end) {
				return fmt.Errorf("topic %s was acknowledged and is not in the log of %s %d", name, of[i].Name(), of[i].ID())
			}
		}
	}
	return nil
}

// has looks for a name that occurs nowhere but in its topic's record.
func (b Batches) has(name string, end int64) bool {
	for at, batch := range b {
		if at < end && bytes.Contains(batch, []byte(name)) {
			return true
		}
	}
	return false
}

// Leads finds the controller that leads, among those that run: of several that
// think so, the one of the highest epoch. It returns nil while there is none.
func Leads(ctx context.Context, of ...*Server) (leads *Server, says Quorum) {
	for _, s := range of {
		if !s.Alive() {
			continue
		}
		one, cancel := context.WithTimeout(ctx, time.Second)
		q, err := s.DescribeQuorum(one)
		cancel()
		if err == nil && q.Leader == s.ID() && (leads == nil || q.Epoch > says.Epoch) {
			leads, says = s, q
		}
	}
	return leads, says
}
