package api

import (
	"errors"
	"math"

	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The controller mutation quota (KIP-599): how many partitions a user or client
// may have created and deleted a second. Each quota has a bucket of tokens that
// fills with its rate up to what a whole window gives. A request may take more
// than is there; once the bucket is below zero,
//
//	from version 6 of CreateTopics, 5 of DeleteTopics, 3 of CreatePartitions
//	topics are refused with THROTTLING_QUOTA_EXCEEDED; before, they are taken
//	from the bucket all the same and the client is told to pause.

// mutationRate is the key of the quota.
const mutationRate = "controller_mutation_rate"

// strictSince is the version from which topics are refused.
var strictSince = map[apikey.Key]int16{apikey.CreateTopics: 6, apikey.DeleteTopics: 5, apikey.CreatePartitions: 3}

// maxBuckets is when buckets that are full again are forgotten.
const maxBuckets = 1000

// mutations are the buckets. They belong to the active controller's loop.
type mutations struct {
	window  float64 // seconds whose tokens a bucket holds
	buckets map[bucketKey]*bucket
}

// bucketKey is the entity whose quota it is, and who spends: a default's quota
// is everybody's own.
type bucketKey struct{ user, client string }

// bucket has tokens as of a time.
type bucket struct {
	tokens float64
	at     int64 // ms
	rate   float64
}

func (b *bucket) refill(rate, window float64, now int64) {
	b.tokens = min(rate*window, b.tokens+rate*float64(now-b.at)/1000)
	b.at, b.rate = now, rate
}

// spender charges one request.
type spender struct {
	bucket     *bucket
	strict     bool
	throttleMs int32
}

// errExceeded has Kafka's words.
var errExceeded = errors.New("The throttling quota has been exceeded.")

// of returns who pays for a request, nil when no quota concerns it.
func (m *mutations) of(e *decide.Env, r *request) *spender {
	since, counted := strictSince[r.header.Key]
	if !counted || e.Image.ClientQuotas.Len() == 0 {
		return nil
	}
	key, rate, ok := mutationQuota(e.Image.ClientQuotas, r.user(), r.header.ClientID)
	if !ok {
		return nil
	}
	b := m.buckets[key]
	if b == nil {
		m.forget(e.Now)
		b = &bucket{tokens: rate * m.window, at: e.Now}
		m.buckets[key] = b
	}
	b.refill(rate, m.window, e.Now)
	return &spender{bucket: b, strict: r.header.Version >= since}
}

// forget drops the buckets that are full: a new one would be the same.
func (m *mutations) forget(now int64) {
	if len(m.buckets) < maxBuckets {
		return
	}
	for k, b := range m.buckets {
		if b.refill(b.rate, m.window, now); b.tokens >= b.rate*m.window {
			delete(m.buckets, k)
		}
	}
}

// charge is decide.Env's Charge.
func (s *spender) charge(partitions int) error {
	if s.strict && s.bucket.tokens < 0 {
		s.pause()
		return errExceeded
	}
	s.bucket.tokens -= float64(partitions)
	if !s.strict && s.bucket.tokens < 0 {
		s.pause()
	}
	return nil
}

// pause notes how long the bucket takes to be at zero again.
func (s *spender) pause() {
	s.throttleMs = int32(min(math.Round(-s.bucket.tokens/s.bucket.rate*1000), math.MaxInt32))
}

// told writes the pause into an answer.
func (s *spender) told(resp kmsg.Response) {
	if s == nil || s.throttleMs == 0 {
		return
	}
	switch r := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		r.ThrottleMillis = s.throttleMs
	case *kmsg.DeleteTopicsResponse:
		r.ThrottleMillis = s.throttleMs
	case *kmsg.CreatePartitionsResponse:
		r.ThrottleMillis = s.throttleMs
	}
}

// mutating is command for the requests that the quota counts.
func mutating[R kmsg.Request](s *Server, f func(*decide.Env, R) (decide.Decision, error)) handle {
	return typed(func(r *request, body R) {
		var by *spender // of the loop until the reply
		s.parts.Active.Do(func(e *decide.Env) (decide.Decision, error) {
			e.Forwarded = r.forwarded
			if by = s.mutations.of(e, r); by != nil {
				e.Charge = by.charge
			}
			return f(e, body)
		}, patience(body), func(resp kmsg.Response, err error) {
			by.told(resp)
			r.answer(resp, err)
		})
	})
}

// mutationQuota finds the most particular quota for a user and a client, in
// the order of KIP-55.
func mutationQuota(q *image.ClientQuotas, user, client string) (bucketKey, float64, bool) {
	const none = "\x00" // that part is not in the entity
	u, c := &user, &client
	for _, x := range []struct {
		user, client *string
		has          [2]bool // the entity has a user, a client
		key          bucketKey
	}{
		{u, c, [2]bool{true, true}, bucketKey{user, client}}, {u, nil, [2]bool{true, true}, bucketKey{user, client}}, {u, nil, [2]bool{true, false}, bucketKey{user, none}},
		{nil, c, [2]bool{true, true}, bucketKey{user, client}}, {nil, nil, [2]bool{true, true}, bucketKey{user, client}}, {nil, nil, [2]bool{true, false}, bucketKey{user, none}},
		{nil, c, [2]bool{false, true}, bucketKey{none, client}}, {nil, nil, [2]bool{false, true}, bucketKey{none, client}},
	} {
		var entity image.QuotaEntity
		if x.has[1] {
			entity = append(entity, image.QuotaEntityPart{Type: "client-id", Name: x.client})
		}
		if x.has[0] {
			entity = append(entity, image.QuotaEntityPart{Type: "user", Name: x.user})
		}
		if rate, ok := q.Of(entity)[mutationRate]; ok {
			return x.key, rate, true
		}
	}
	return bucketKey{}, 0, false
}
