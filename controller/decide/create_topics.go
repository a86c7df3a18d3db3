package decide

import (
	"slices"
	"sort"
	"strings"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopics creates each topic it can, and answers for each. Topics named
// twice are not created at all.
func CreateTopics(e *Env, req *kmsg.CreateTopicsRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	d := Decision{Atomic: true, Reply: resp}
	topics, twice := splitTwice(req.Topics, func(t *kmsg.CreateTopicsRequestTopic) string { return t.Topic })
	if err := e.checkTotal(topics); err != nil {
		return Decision{}, err
	}
	for _, t := range topics {
		if t.Topic == metadataTopic {
			continue
		}
		result := kmsg.NewCreateTopicsResponseTopic()
		result.Topic = t.Topic
		if err := e.createTopic(&d, t, &result); err != nil {
			result = topicFailure(t.Topic, err)
		}
		resp.Topics = append(resp.Topics, result)
		if len(d.Records) > MaxRecords {
			return Decision{}, errTooMany()
		}
	}
	for _, name := range twice {
		resp.Topics = append(resp.Topics, topicFailure(name, fail(kerr.InvalidRequest, "Duplicate topic name.")))
	}
	if slices.ContainsFunc(topics, func(t *kmsg.CreateTopicsRequestTopic) bool { return t.Topic == metadataTopic }) {
		resp.Topics = append(resp.Topics, topicFailure(metadataTopic, fail(kerr.InvalidRequest, "Creation of internal topic __cluster_metadata is prohibited.")))
	}
	if req.ValidateOnly {
		d.Records = nil
	}
	return d, nil
}

func topicFailure(name string, err *Error) kmsg.CreateTopicsResponseTopic {
	t := kmsg.NewCreateTopicsResponseTopic()
	t.Topic, t.ErrorCode, t.ErrorMessage = name, err.Code, err.message()
	t.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // null would say that they may not be seen
	return t
}

// splitTwice separates the elements whose name is there once from the names
// that are there more often; both in the order of the request.
func splitTwice[T any](all []T, name func(*T) string) (once []*T, twice []string) {
	count := make(map[string]int, len(all))
	for i := range all {
		count[name(&all[i])]++
	}
	for i := range all {
		n := name(&all[i])
		switch count[n] {
		case 1:
			once = append(once, &all[i])
		case -1:
		default:
			twice = append(twice, n)
			count[n] = -1
		}
	}
	return once, twice
}

// checkTotal bounds the work of one request before any of it is done.
func (e *Env) checkTotal(topics []*kmsg.CreateTopicsRequestTopic) *Error {
	total := int64(0)
	for _, t := range topics {
		switch {
		case len(t.ReplicaAssignment) > 0:
			total += int64(len(t.ReplicaAssignment))
		case t.NumPartitions == -1:
			total += int64(e.Config.Int("num.partitions"))
		case t.NumPartitions > 0:
			total += int64(t.NumPartitions)
		}
	}
	if total > MaxPartitions {
		return fail(kerr.PolicyViolation, "Excessively large number of partitions per request.")
	}
	return nil
}

func (e *Env) createTopic(d *Decision, t *kmsg.CreateTopicsRequestTopic, result *kmsg.CreateTopicsResponseTopic) *Error {
	if err := e.checkNewName(t.Topic); err != nil {
		return err
	}
	overrides, err := e.creationConfigs(t)
	if err != nil {
		return err
	}
	parts, err := e.placeTopic(t)
	if err != nil {
		return err
	}
	if err := e.charge(len(parts)); err != nil {
		return err
	}
	id := ids.TopicID(e.newID())
	d.add(&records.TopicRecord{Name: t.Topic, TopicID: id}, 0)
	for _, name := range sortedNames(overrides) {
		value := overrides[name]
		d.add(&records.ConfigRecord{ResourceType: image.TopicResource, ResourceName: t.Topic, Name: name, Value: &value}, 0)
	}
	if _, ok := overrides[minISRKey]; ok && e.elr() {
		d.add(&records.ClearELRRecord{TopicName: t.Topic}, 0)
	}
	for i, p := range parts {
		d.add(p.Record(id, int32(i), e.mv(), e.elr()), e.mv().PartitionVersion())
	}
	result.TopicID = id
	result.NumPartitions, result.ReplicationFactor = int32(len(parts)), int16(len(parts[0].Replicas))
	result.Configs = e.describeTopic(overrides)
	return nil
}

func (e *Env) checkNewName(name string) *Error {
	if e.Image.Topics.ByName(name) != nil {
		return fail(kerr.TopicAlreadyExists, "Topic '%s' already exists.", name)
	}
	if other, ok := e.Image.Topics.Colliding(name); ok {
		return fail(kerr.InvalidTopicException, "Topic '%s' collides with existing topic: %s", name, other)
	}
	return checkTopicName(name)
}

// creationConfigs checks the configuration of a new topic.
func (e *Env) creationConfigs(t *kmsg.CreateTopicsRequestTopic) (map[string]string, *Error) {
	out := make(map[string]string, len(t.Configs))
	var nulls []string
	for _, c := range t.Configs {
		if c.Value == nil {
			nulls = append(nulls, c.Name)
			continue
		}
		if len(*c.Value) > maxConfigValue {
			return nil, errConfigTooLong()
		}
		out[c.Name] = *c.Value
	}
	if len(nulls) > 0 {
		return nil, fail(kerr.InvalidConfig, "Null value not supported for topic configs: %s", strings.Join(nulls, ","))
	}
	if len(out) > 0 {
		if err := configs.ValidateTopic(nil, out, e.Config); err != nil {
			return nil, fail(kerr.InvalidConfig, "%v", err)
		}
	}
	return out, nil
}

// placeTopic chooses the replicas of all partitions of a new topic.
func (e *Env) placeTopic(t *kmsg.CreateTopicsRequestTopic) ([]*image.Partition, *Error) {
	switch {
	case len(t.ReplicaAssignment) > 0:
		return e.placeManually(t)
	case t.ReplicationFactor < -1 || t.ReplicationFactor == 0:
		return nil, fail(kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	case t.NumPartitions < -1 || t.NumPartitions == 0:
		return nil, fail(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	n, factor := int(t.NumPartitions), int(t.ReplicationFactor)
	if n == -1 {
		n = int(e.Config.Int("num.partitions"))
	}
	if factor == -1 {
		factor = int(e.Config.Int("default.replication.factor"))
	}
	parts, err := e.place(n, factor)
	if err != nil {
		return nil, fail(kerr.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): %s", factor, err.Message)
	}
	return parts, nil
}

const allFenced = "All brokers are currently fenced or in controlled shutdown."

// place chooses replicas for n partitions.
func (e *Env) place(n, factor int) ([]*image.Partition, *Error) {
	p := newPlacer(e)
	if err := p.check(factor); err != nil {
		return nil, err
	}
	out := make([]*image.Partition, 0, n)
	for range n {
		replicas := p.next(factor)
		isr := e.activeOf(replicas)
		if len(isr) == 0 {
			return nil, fail(kerr.InvalidReplicationFactor, "%s", allFenced)
		}
		out = append(out, e.newPartition(replicas, isr))
	}
	return out, nil
}

// placeManually takes the replicas the user chose.
func (e *Env) placeManually(t *kmsg.CreateTopicsRequestTopic) ([]*image.Partition, *Error) {
	if t.ReplicationFactor != -1 {
		return nil, fail(kerr.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.")
	}
	if t.NumPartitions != -1 {
		return nil, fail(kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.")
	}
	byIndex, factor := map[int32]*image.Partition{}, -1
	for _, a := range t.ReplicaAssignment {
		if byIndex[a.Partition] != nil {
			return nil, fail(kerr.InvalidReplicaAssignment, "Found multiple manual partition assignments for partition %d", a.Partition)
		}
		replicas := nodes(a.Replicas)
		if err := e.checkAssignment(replicas, factor); err != nil {
			return nil, err
		}
		factor = len(replicas)
		isr := e.activeOf(replicas)
		if len(isr) == 0 {
			return nil, fail(kerr.InvalidReplicaAssignment, "All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", a.Partition)
		}
		byIndex[a.Partition] = e.newPartition(replicas, isr)
	}
	parts := make([]*image.Partition, len(byIndex))
	for i := range parts {
		if parts[i] = byIndex[int32(i)]; parts[i] == nil {
			return nil, fail(kerr.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
	}
	return parts, nil
}

// describeTopic lists the configuration a topic with these overrides has.
func (e *Env) describeTopic(overrides map[string]string) []kmsg.CreateTopicsResponseTopicConfig {
	var out []kmsg.CreateTopicsResponseTopicConfig
	for _, def := range configs.All(configs.Topic) {
		if _, set := overrides[def.Name]; def.Internal && !set {
			continue
		}
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		c.Name, c.IsSensitive = def.Name, def.Sensitive
		c.Value, c.Source = e.topicValue(def, overrides)
		if c.IsSensitive {
			c.Value = nil
		}
		out = append(out, c)
	}
	return out
}

func nodes(in []int32) []ids.NodeID {
	out := make([]ids.NodeID, len(in))
	for i, n := range in {
		out[i] = ids.NodeID(n)
	}
	return out
}

func sortedNames[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
