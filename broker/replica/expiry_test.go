package replica

import (
	"testing"

	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/configs"
)

// producer.id.expiration.ms is altered for a running broker: what is open
// forgets by the new value, without a restart.
func TestProducerExpirationActsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.create("t", 1, 1, 1)
	b := batch.NewBuilder(batch.Options{Producer: &batch.Producer{ID: 7}})
	b.Append(1_700_000_000_000, nil, []byte("v"), nil)
	v, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	w.m.Append(tp("t", 0), v, all, func(r AppendResult) { err = r.Err })
	p, err2 := w.m.Get(tp("t", 0))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for _, c := range []struct {
		ms    string
		known int
	}{{"20000", 1}, {"10000", 0}} {
		values, err := configs.Resolve(map[string]string{"node.id": "1", "process.roles": "broker", "controller.listener.names": "C", "producer.id.expiration.ms": c.ms})
		if err != nil {
			t.Fatal(err)
		}
		w.m.SetBroker(values)
		w.logs.Tick(1_700_000_010_000, w.m.committed)
		if got, err := p.Producers(); err != nil || len(got) != c.known {
			t.Errorf("producer.id.expiration.ms %s: %v, %v", c.ms, got, err)
		}
	}
}
