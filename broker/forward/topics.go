package forward

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// TopicSpec is what an automatically created topic is made with.
type TopicSpec struct {
	Partitions        int32 // -1: the controller's default
	ReplicationFactor int16 // -1: the controller's default
	Configs           map[string]string
	// ReplicationKey is the broker key that gives ReplicationFactor, for the
	// message that says why a topic cannot be created.
	ReplicationKey string
}

// TopicCreator creates topics that clients ask for or that coordinators need.
//
// Invariant: a topic is in creating from Create until the controller answered,
// so that a crowd of clients asking for one missing topic makes one request.
type TopicCreator struct {
	client *Client
	spec   func(topic string) TopicSpec
	alive  func() int // brokers that can take replicas
	log    *zap.Logger

	mu       sync.Mutex
	creating map[string]bool
	blamed   map[string]string // topic → the failure that was last logged; at most maxBlamed
}

// maxBlamed bounds what is remembered for the sake of a quiet log: clients may
// ask for as many topics that cannot be made as they like.
const maxBlamed = 1000

// NewTopicCreator makes a creator. spec says how a topic is to be made, alive
// how many brokers are there; the latter is only used in messages.
func NewTopicCreator(client *Client, spec func(topic string) TopicSpec, alive func() int, log *zap.Logger) *TopicCreator {
	if log == nil {
		log = zap.NewNop()
	}
	return &TopicCreator{client: client, spec: spec, alive: alive, log: log,
		creating: map[string]bool{}, blamed: map[string]string{}}
}

// Create begins to create the topics, whose names must be valid, and returns at
// once. from is the client that asked, nil when the broker itself needs them.
// Topics on their way are left alone. Failures are logged: whoever asked asks
// again until the topic is there, as Kafka's clients do.
func (t *TopicCreator) Create(topics []string, from *Origin) {
	t.mu.Lock()
	var fresh []string
	for _, topic := range topics {
		if !t.creating[topic] {
			t.creating[topic] = true
			fresh = append(fresh, topic)
		}
	}
	t.mu.Unlock()
	if len(fresh) > 0 {
		go t.create(fresh, from)
	}
}

func (t *TopicCreator) create(topics []string, from *Origin) {
	resp, err := t.request(topics, from)
	t.mu.Lock()
	for _, topic := range topics {
		delete(t.creating, topic)
	}
	t.mu.Unlock()
	if err != nil {
		t.log.Warn("topics could not be created automatically", zap.Strings("topics", topics), zap.Error(err))
		return
	}
	for i := range resp.Topics {
		t.judge(&resp.Topics[i])
	}
}

func (t *TopicCreator) request(topics []string, from *Origin) (*kmsg.CreateTopicsResponse, error) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	req.TimeoutMillis = int32(t.client.o.RequestTimeout.Milliseconds())
	for _, topic := range topics {
		req.Topics = append(req.Topics, t.specOf(topic))
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.client.o.RequestTimeout)
	defer cancel()
	var resp kmsg.Response
	var err error
	if from != nil {
		resp, err = t.client.ForwardAs(ctx, *from, req)
	} else {
		resp, err = t.client.Do(ctx, req)
	}
	if err != nil {
		return nil, err
	}
	r, ok := resp.(*kmsg.CreateTopicsResponse)
	if !ok {
		return nil, fmt.Errorf("the controller answered with %T", resp)
	}
	return r, nil
}

func (t *TopicCreator) specOf(topic string) kmsg.CreateTopicsRequestTopic {
	s := t.spec(topic)
	out := kmsg.NewCreateTopicsRequestTopic()
	out.Topic, out.NumPartitions, out.ReplicationFactor = topic, s.Partitions, s.ReplicationFactor
	for _, name := range sortedKeys(s.Configs) {
		value := s.Configs[name]
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, &value
		out.Configs = append(out.Configs, c)
	}
	return out
}

// judge logs how a creation went: a failure once until it changes, because
// clients ask several times a second.
func (t *TopicCreator) judge(r *kmsg.CreateTopicsResponseTopic) {
	err := kerr.ErrorForCode(r.ErrorCode)
	reason := ""
	if err != nil && err != kerr.TopicAlreadyExists {
		reason = err.Error()
		if r.ErrorMessage != nil {
			reason = *r.ErrorMessage
		}
	}
	t.mu.Lock()
	news := t.blamed[r.Topic] != reason
	if reason == "" {
		delete(t.blamed, r.Topic)
	} else if news {
		if len(t.blamed) == maxBlamed {
			clear(t.blamed)
		}
		t.blamed[r.Topic] = reason
	}
	t.mu.Unlock()
	switch spec := t.spec(r.Topic); {
	case !news:
	case reason == "":
		t.log.Info("topic could be created at last", zap.String("topic", r.Topic))
	case err == kerr.InvalidReplicationFactor && strings.HasPrefix(r.Topic, "__"):
		t.log.Error(missingBrokers(r.Topic, spec, t.alive()))
	default:
		t.log.Warn("topic could not be created automatically", zap.String("topic", r.Topic), zap.Error(err), zap.String("reason", reason))
	}
}

// missingBrokers is the one line that saves an evening: with Kafka's default of
// three replicas and fewer brokers the clients of a coordinator hang without a
// word, for they are only told to try again.
func missingBrokers(topic string, s TopicSpec, alive int) string {
	return fmt.Sprintf("%s cannot be created and its clients will wait for ever: %s=%d but %d broker(s) can take replicas; "+
		"start %d more, or set %s=%d and restart", topic, s.ReplicationKey, s.ReplicationFactor, alive,
		int(s.ReplicationFactor)-alive, s.ReplicationKey, max(alive, 1))
}
