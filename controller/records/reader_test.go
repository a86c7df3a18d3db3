package records

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// A Reader tells of every record what Parse tells, whatever it read before, also
// of bytes that are no record.
func TestReaderReadsWhatParseReads(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	nodes := func() (out []ids.NodeID) {
		for range rnd.IntN(5) {
			out = append(out, ids.NodeID(rnd.IntN(100)))
		}
		return out
	}
	var s Reader
	for range 20_000 {
		rec := &PartitionRecord{PartitionID: rnd.Int32(), TopicID: ids.TopicID{byte(rnd.IntN(256))}, Replicas: nodes(), ISR: nodes(), RemovingReplicas: nodes(),
			AddingReplicas: nodes(), Leader: ids.NodeID(rnd.IntN(9)), LeaderEpoch: ids.LeaderEpoch(rnd.Int32()), PartitionEpoch: rnd.Int32(), LeaderRecoveryState: int8(rnd.IntN(2))}
		version := int16(rnd.IntN(3))
		for range rnd.IntN(4) {
			rec.Directories = append(rec.Directories, ids.DirectoryID{byte(rnd.IntN(256))})
		}
		if rnd.IntN(3) == 0 {
			rec.EligibleLeaderReplicas, rec.LastKnownELR = nodes(), nodes()
		}
		var raw []byte
		if rnd.IntN(10) == 0 {
			raw = Append(nil, &TopicRecord{Name: "t"}, 0)
		} else {
			raw = Append(nil, rec, version)
		}
		for range rnd.IntN(3) {
			if raw = append([]byte(nil), raw...); rnd.IntN(2) == 0 {
				raw[rnd.IntN(len(raw))] ^= byte(1 << rnd.IntN(8))
			} else if raw = raw[:rnd.IntN(len(raw))]; len(raw) == 0 {
				break
			}
		}
		want, wantVersion, wantErr := Parse(raw)
		got, gotVersion, err := s.Parse(raw)
		if (err == nil) != (wantErr == nil) || err == nil && (gotVersion != wantVersion || !alike(got, want)) {
			t.Fatalf("%x:\n%+v %d %v\n%+v %d %v", raw, got, gotVersion, err, want, wantVersion, wantErr)
		}
	}
}

// alike takes no slice and an empty one for the same.
func alike(a, b Record) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	p, ok := a.(*PartitionRecord)
	q, also := b.(*PartitionRecord)
	if !ok || !also {
		return reflect.DeepEqual(a, b)
	}
	_, v := p.Versions()
	return reflect.DeepEqual(Append(nil, p, v), Append(nil, q, v))
}
