package clients

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// FranzMember is one franz-go member of a group, in this process; it tells the
// events that Members tells.
type FranzMember struct {
	name  string
	event func(string)
	cl    *kgo.Client
	stop  context.CancelFunc
	done  chan struct{}
}

// StartFranzMember starts a member that reads and commits until Stop.
func StartFranzMember(addr, name, group string, topics []string, consumer bool, event func(string)) (*FranzMember, error) {
	m := &FranzMember{name: name, event: event, done: make(chan struct{})}
	opts := []kgo.Opt{
		kgo.SeedBrokers(addr), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.OnPartitionsAssigned(m.moved("assigned")), kgo.OnPartitionsRevoked(m.moved("revoked")), kgo.OnPartitionsLost(m.moved("revoked")),
	}
	ctx, stop := context.WithCancel(context.Background())
	if consumer {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		stop()
		return nil, err
	}
	m.cl, m.stop = cl, stop
	go m.run(ctx)
	return m, nil
}

func (m *FranzMember) tell(what string) {
	m.event(fmt.Sprintf("e %d %s %s", time.Now().UnixMilli(), m.name, what))
}

func (m *FranzMember) moved(what string) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
		var names []string
		for t, ps := range parts {
			for _, p := range ps {
				names = append(names, fmt.Sprintf("%s-%d", t, p))
			}
		}
		sort.Strings(names)
		m.tell(what + " " + strings.Join(names, " "))
	}
}

func (m *FranzMember) run(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		fs := m.cl.PollRecords(ctx, 50)
		fs.EachPartition(func(p kgo.FetchTopicPartition) {
			if n := len(p.Records); n > 0 {
				m.tell(fmt.Sprintf("records %s-%d %d %d", p.Topic, p.Partition, p.Records[0].Offset, p.Records[n-1].Offset))
			}
		})
		if fs.NumRecords() > 0 {
			if err := m.cl.CommitUncommittedOffsets(context.WithoutCancel(ctx)); err != nil {
				m.tell("uncommitted " + strings.ReplaceAll(err.Error(), "\n", " "))
			}
		}
		m.cl.AllowRebalance()
	}
}

// timed tells how long something took.
func (m *FranzMember) timed(what string, f func() error) error {
	begin := time.Now()
	err := f()
	m.tell(fmt.Sprint("did ", what, " ", time.Since(begin).Milliseconds()))
	return err
}

// Subscribe adds topics to what the member reads.
func (m *FranzMember) Subscribe(topics ...string) {
	_ = m.timed("subscribe", func() error { m.cl.AddConsumeTopics(topics...); return nil })
}

// Commit commits what it has read.
func (m *FranzMember) Commit(ctx context.Context) error {
	return m.timed("commit", func() error { return m.cl.CommitUncommittedOffsets(ctx) })
}

// Stop leaves the group.
func (m *FranzMember) Stop(ctx context.Context) error {
	err := m.timed("stop", func() error { return m.cl.LeaveGroupContext(ctx) })
	m.stop()
	m.cl.Close()
	<-m.done
	return err
}
