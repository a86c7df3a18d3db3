package group

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gregorbroker/gregor/groupcoord"
)

// owners says who has which partition.
type owners map[string]map[int32]string

func (o owners) add(topic string, partitions []int32, member string) {
	if o[topic] == nil {
		o[topic] = map[int32]string{}
	}
	for _, p := range partitions {
		o[topic][p] = member
	}
}

// Describe asks for everything about one group.
func Describe(ctx context.Context, cl *kgo.Client, name string) (*Report, error) {
	r := &Report{Group: name, Epoch: -1, Partitions: []Partition{}, Members: []Member{}, Rebalances: []groupcoord.Rebalance{}}
	own := owners{}
	at := kadm.NewClient(cl).FindGroupCoordinators(ctx, name)[name]
	if at.Err != nil {
		return nil, fmt.Errorf("coordinator of group %s: %w", name, at.Err)
	}
	r.Coordinator = at.NodeID
	coordinator := cl.Broker(int(at.NodeID)) // the client itself would take the tagged field out
	err := r.consumer(ctx, coordinator, own)
	if errors.Is(err, kerr.GroupIDNotFound) || errors.Is(err, kerr.UnsupportedVersion) || errors.Is(err, errUnsupported) {
		err = r.classic(ctx, coordinator, own)
	}
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", name, err)
	}
	slices.SortFunc(r.Members, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.ID, b.ID)) })
	return r, r.lag(ctx, kadm.NewClient(cl), own)
}

// errUnsupported: the broker does not know the request at all.
var errUnsupported = errors.New("the broker does not describe consumer groups")

// consumer describes a group of the consumer protocol (KIP-848).
func (r *Report) consumer(ctx context.Context, at *kgo.Broker, own owners) error {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{r.Group}
	req.UnknownTags.Set(groupcoord.RebalancesTag, nil)
	resp, err := req.RequestWith(ctx, at)
	switch {
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("%w: %w", errUnsupported, err)
	case err != nil:
		return err
	case len(resp.Groups) != 1:
		return fmt.Errorf("asked about one group, told about %d", len(resp.Groups))
	}
	g := &resp.Groups[0]
	if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
		return err
	}
	r.Type, r.State, r.Epoch, r.Assignor = "consumer", g.State, g.Epoch, g.AssignorName
	for _, m := range g.Members {
		out := Member{ID: m.MemberID, Client: m.ClientID, Host: m.ClientHost, Epoch: m.MemberEpoch}
		if m.InstanceID != nil {
			out.Instance = *m.InstanceID
		}
		for _, t := range m.Assignment.TopicPartitions {
			own.add(t.Topic, t.Partitions, m.MemberID)
			out.Partitions += len(t.Partitions)
		}
		for _, t := range m.TargetAssignment.TopicPartitions {
			for _, p := range t.Partitions {
				if own[t.Topic][p] != m.MemberID {
					out.Pending++
				}
			}
		}
		r.Members = append(r.Members, out)
	}
	return r.history(&g.UnknownTags)
}

// classic describes a group of the classic protocol.
func (r *Report) classic(ctx context.Context, at *kgo.Broker, own owners) error {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{r.Group}
	req.UnknownTags.Set(groupcoord.RebalancesTag, nil)
	resp, err := req.RequestWith(ctx, at)
	switch {
	case err != nil:
		return err
	case len(resp.Groups) != 1:
		return fmt.Errorf("asked about one group, told about %d", len(resp.Groups))
	}
	g := &resp.Groups[0]
	if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
		return err
	}
	if g.State == "Dead" {
		return kerr.GroupIDNotFound
	}
	r.Type, r.State, r.Assignor = "classic", g.State, g.Protocol
	for _, m := range g.Members {
		out := Member{ID: m.MemberID, Client: m.ClientID, Host: m.ClientHost, Epoch: -1}
		if m.InstanceID != nil {
			out.Instance = *m.InstanceID
		}
		var a kmsg.ConsumerMemberAssignment
		if g.ProtocolType == "consumer" && a.ReadFrom(m.MemberAssignment) == nil {
			for _, t := range a.Topics {
				own.add(t.Topic, t.Partitions, m.MemberID)
				out.Partitions += len(t.Partitions)
			}
		}
		r.Members = append(r.Members, out)
	}
	return r.history(&g.UnknownTags)
}

// history reads what a gregor adds when it is asked to.
func (r *Report) history(tags *kmsg.Tags) (err error) {
	tags.Each(func(tag uint32, text []byte) {
		if tag == groupcoord.RebalancesTag {
			err = json.Unmarshal(text, &r.Rebalances)
		}
	})
	return err
}

// lag adds the partitions: those with a committed offset, and those that a
// member owns.
func (r *Report) lag(ctx context.Context, adm *kadm.Client, own owners) error {
	committed, err := adm.FetchOffsets(ctx, r.Group)
	if err != nil {
		return fmt.Errorf("committed offsets of %s: %w", r.Group, err)
	}
	names := map[string]bool{}
	for topic := range own {
		names[topic] = true
	}
	for topic := range committed {
		names[topic] = true
	}
	if len(names) == 0 {
		return nil
	}
	list := make([]string, 0, len(names))
	for topic := range names {
		list = append(list, topic)
	}
	slices.Sort(list)
	ends, err := adm.ListEndOffsets(ctx, list...)
	if err != nil {
		return fmt.Errorf("log ends of %s: %w", r.Group, err)
	}
	for _, end := range ends.Offsets().Sorted() {
		at, has := committed.Lookup(end.Topic, end.Partition)
		member := own[end.Topic][end.Partition]
		if !has && member == "" {
			continue
		}
		p := Partition{Topic: end.Topic, Partition: end.Partition, Committed: -1, End: end.At, Lag: -1, Member: member}
		if has && at.At >= 0 {
			p.Committed, p.Lag = at.At, max(end.At-at.At, 0)
			r.Lag += p.Lag
		}
		r.Partitions = append(r.Partitions, p)
	}
	return nil
}
