package api

import (
	"testing"

	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// quotas makes an image with mutation rates: pairs of "user", "client-id" and
// their names in an entity, where "-" is the default.
func quotas(t *testing.T, rates map[[2]string]float64) *image.Image {
	d := image.NewDelta(image.Empty())
	for e, rate := range rates {
		r := &records.ClientQuotaRecord{Key: mutationRate, Value: rate}
		for i, typ := range []string{"user", "client-id"} {
			if e[i] == "" {
				continue
			}
			p := records.EntityData{EntityType: typ}
			if e[i] != "-" {
				p.EntityName = &e[i]
			}
			r.Entity = append(r.Entity, p)
		}
		if err := d.Replay(r); err != nil {
			t.Fatal(err)
		}
	}
	return d.Apply(image.Provenance{})
}

// TestMutationQuotaPrecedence: the more particular entity's quota counts, in the
// order of KIP-55.
func TestMutationQuotaPrecedence(t *testing.T) {
	order := [][2]string{{"u", "c"}, {"u", "-"}, {"u", ""}, {"-", "c"}, {"-", "-"}, {"-", ""}, {"", "c"}, {"", "-"}}
	for i := range order {
		rates := map[[2]string]float64{{"other", "c"}: 99, {"", "other"}: 98}
		for j := i; j < len(order); j++ {
			rates[order[j]] = float64(j + 1)
		}
		if _, rate, ok := mutationQuota(quotas(t, rates).ClientQuotas, "u", "c"); !ok || rate != float64(i+1) {
			t.Errorf("with %v the rate is %v", order[i:], rate)
		}
	}
	if _, _, ok := mutationQuota(quotas(t, map[[2]string]float64{{"v", ""}: 1}).ClientQuotas, "u", "c"); ok {
		t.Error("somebody else's quota")
	}
}

func TestMutationQuota(t *testing.T) {
	img := quotas(t, map[[2]string]float64{{"ANONYMOUS", ""}: 2})
	m := mutations{window: 10, buckets: map[bucketKey]*bucket{}}
	take := func(now int64, key apikey.Key, version int16, partitions int) (refused bool, throttle int32) {
		s := m.of(&decide.Env{Image: img, Now: now}, &request{header: frame.Header{Key: key, Version: version, ClientID: "c"}})
		if s == nil {
			return false, 0
		}
		err := s.charge(partitions)
		resp := &kmsg.CreateTopicsResponse{}
		s.told(resp)
		return err != nil, resp.ThrottleMillis
	}
	for i, x := range []struct {
		now        int64
		version    int16
		partitions int
		refused    bool
		throttle   int32
	}{
		{1000, 7, 15, false, 0},    // 20 tokens at first
		{1000, 7, 25, false, 0},    // more than there is, once
		{1000, 7, 1, true, 10_000}, // 20 below zero
		{6000, 7, 1, true, 5000},   // half the way
		{6000, 5, 4, false, 7000},  // an old client goes on, and is told to pause
		{13_000, 7, 1, false, 0},   // exactly zero is enough
		{1e9, 7, 20, false, 0},     // never more than a window's tokens
		{1e9, 7, 1, false, 0},
		{1e9, 7, 1, true, 500},
	} {
		if refused, throttle := take(x.now, apikey.CreateTopics, x.version, x.partitions); refused != x.refused || throttle != x.throttle {
			t.Errorf("step %d: refused %v, pause %d ms", i, refused, throttle)
		}
	}
	if refused, _ := take(1e9, apikey.ElectLeaders, 2, 100); refused {
		t.Error("an election is charged")
	}
	if s := m.of(&decide.Env{Image: image.Empty()}, &request{header: frame.Header{Key: apikey.CreateTopics}}); s != nil {
		t.Error("charged without a quota")
	}
}

// TestBucketsAreForgotten: client ids that come once do not pile up.
func TestBucketsAreForgotten(t *testing.T) {
	img := quotas(t, map[[2]string]float64{{"", "-"}: 1})
	m := mutations{window: 10, buckets: map[bucketKey]*bucket{}}
	for i := range 10 * maxBuckets {
		r := &request{header: frame.Header{Key: apikey.CreateTopics, Version: 7, ClientID: string(rune(i))}}
		if err := m.of(&decide.Env{Image: img, Now: int64(i) * 100}, r).charge(1); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(m.buckets); n > 2*maxBuckets || n == 0 {
		t.Errorf("%d buckets", n)
	}
}
