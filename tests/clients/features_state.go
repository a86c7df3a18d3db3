package clients

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tell tells what is there, but for topics and their ids, which are known.
func (f *features) tell(ctx context.Context) error {
	err := until(ctx, "the topics", func() (_ bool, err error) {
		f.kept, err = f.state(ctx)
		return strings.HasPrefix(f.kept, f.topics()+"\n"), err
	})
	f.story = append(f.story, strings.Split(f.kept, "\n")[1:]...)
	return err
}

// state is all that a client can see, one line a kind; topics first.
func (f *features) state(ctx context.Context) (string, error) {
	var lines []string
	for _, part := range []func(context.Context) ([]string, error){f.seenTopics, f.seenConfigs, f.seenQuotas, f.seenCredentials, f.seenRecords} {
		l, err := part(ctx)
		if err != nil {
			return "", err
		}
		lines = append(lines, l...)
	}
	return strings.Join(lines, "\n"), nil
}

func (f *features) seenTopics(ctx context.Context) ([]string, error) {
	topics, err := f.adm.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range topics.Sorted() {
		names = append(names, fmt.Sprintf("%s %v", t.Topic, t.ID))
		for _, p := range t.Partitions {
			if p.Err != nil || p.Leader != 1 {
				return nil, fmt.Errorf("%s-%d: leader %d, %w", t.Topic, p.Partition, p.Leader, p.Err)
			}
		}
	}
	return []string{"topics: " + strings.Join(names, ", ")}, topics.Error()
}

// seenConfigs are the dynamic ones. A topic of a level has its level in segment.ms.
func (f *features) seenConfigs(ctx context.Context) (out []string, err error) {
	levels := []string{"kept"}
	for name := range f.ids {
		if strings.HasPrefix(name, "at-") {
			levels = append(levels, name)
		}
	}
	topics, err := f.adm.DescribeTopicConfigs(ctx, levels...)
	if err != nil {
		return nil, err
	}
	right := 0
	for _, t := range topics {
		if t.Err != nil {
			return nil, t.Err
		}
		if set := dynamic(t, kmsg.ConfigSourceDynamicTopicConfig); t.Name == "kept" {
			out = append(out, "configs of kept: "+set)
		} else if level, _ := strings.CutPrefix(t.Name, "at-"); set == fmt.Sprintf("segment.ms=%d", 100_000+number(level)) {
			right++
		}
	}
	out = append(out, fmt.Sprintf("configs of topics of a level are right: %v", right == len(levels)-1))
	all, err := f.adm.DescribeBrokerConfigs(ctx)
	one, err2 := f.adm.DescribeBrokerConfigs(ctx, 1)
	if err = errors.Join(err, err2); err != nil {
		return nil, err
	}
	return append(out, "configs of all brokers: "+dynamic(all[0], kmsg.ConfigSourceDynamicDefaultBrokerConfig),
		"configs of broker 1: "+dynamic(one[0], kmsg.ConfigSourceDynamicBrokerConfig)), nil
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

func dynamic(r kadm.ResourceConfig, source kmsg.ConfigSource) string {
	var set []string
	for _, c := range r.Configs {
		if c.Source == source {
			set = append(set, c.Key+"="+c.MaybeValue())
		}
	}
	slices.Sort(set)
	return strings.Join(set, " ")
}

func (f *features) seenQuotas(ctx context.Context) ([]string, error) {
	user := "alice"
	quotas, err := f.adm.DescribeClientQuotas(ctx, true, []kadm.DescribeClientQuotaComponent{{Type: "user", MatchName: &user}})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, q := range quotas {
		for _, v := range q.Values {
			out = append(out, fmt.Sprintf("%s=%v", v.Key, v.Value))
		}
	}
	return []string{"quotas of alice: " + strings.Join(out, " ")}, nil
}

func (f *features) seenCredentials(ctx context.Context) ([]string, error) {
	users, err := f.adm.DescribeUserSCRAMs(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, u := range users.Sorted() {
		for _, c := range u.CredInfos {
			out = append(out, fmt.Sprintf("%s %v %d", u.User, c.Mechanism, c.Iterations))
		}
	}
	return []string{"credentials: " + strings.Join(out, ", ")}, nil
}

// seenRecords reads what was produced, and the group's offset.
func (f *features) seenRecords(ctx context.Context) ([]string, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.srv.Addr()), kgo.ConsumeTopics("kept"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	wrong, read := 0, 0
	for read < 300 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			return nil, err
		}
		fs.EachRecord(func(r *kgo.Record) {
			if read++; string(r.Value) != "value "+string(r.Key) {
				wrong++
			}
		})
	}
	offsets, err := f.adm.FetchOffsets(ctx, "group")
	if err != nil {
		return nil, err
	}
	at, _ := offsets.Lookup("kept", 1)
	return []string{fmt.Sprintf("records: %d, wrong %d; offset of the group: %d", read, wrong, at.At)}, nil
}
