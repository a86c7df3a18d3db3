package apikey

import "github.com/twmb/franz-go/pkg/kmsg"

// produceAdvertisedMin is what a broker listener says for Produce's lowest
// version. Versions 0 to 2 do not exist any more, but old librdkafka picks its
// message format by their presence, so Kafka advertises them and refuses them
// when used (KAFKA-18659).
const produceAdvertisedMin = 0

// Advertised returns what a listener advertises, by key: every served key
// with its stable versions, or all of them when unstable is set. The slice is
// the caller's; the same arguments give the same value.
func Advertised(l Listener, unstable bool) []kmsg.ApiVersionsResponseApiKey {
	out := make([]kmsg.ApiVersionsResponseApiKey, 0, len(table))
	for _, e := range All() {
		if e.Served(l) && e.highest(unstable) >= e.Min {
			out = append(out, e.advertised(l, unstable))
		}
	}
	return out
}

// advertised returns one key's line of ApiVersions.
func (e Entry) advertised(l Listener, unstable bool) kmsg.ApiVersionsResponseApiKey {
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = int16(e.Key), e.Min, e.highest(unstable)
	if e.Key == Produce && l == Broker {
		k.MinVersion = produceAdvertisedMin
	}
	return k
}
