package segment

import (
	"encoding/binary"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
)

const txnEntry = 34

// AbortedTxn is an entry of the transaction index: a transaction of the
// producer whose records lie in [First, Last], Last being its abort marker.
// LastStable is the last stable offset right after the marker.
type AbortedTxn struct {
	ProducerID              int64
	First, Last, LastStable ids.Offset
}

// AppendAbortedTxn encodes a.
func AppendAbortedTxn(dst []byte, a AbortedTxn) []byte {
	dst = binary.BigEndian.AppendUint16(dst, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.ProducerID))
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.First))
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Last))
	return binary.BigEndian.AppendUint64(dst, uint64(a.LastStable))
}

// ParseAbortedTxns decodes the entries of b; what follows the last whole and
// sensible entry is reported as an error beside the entries in front of it.
func ParseAbortedTxns(name string, b []byte) ([]AbortedTxn, error) {
	out := make([]AbortedTxn, 0, len(b)/txnEntry)
	for pos := 0; pos < len(b); pos += txnEntry {
		e := b[pos:]
		if len(e) < txnEntry {
			return out, &CorruptError{name, int64(pos), "half an entry"}
		}
		a := AbortedTxn{
			ProducerID: int64(binary.BigEndian.Uint64(e[2:])),
			First:      ids.Offset(binary.BigEndian.Uint64(e[10:])),
			Last:       ids.Offset(binary.BigEndian.Uint64(e[18:])),
			LastStable: ids.Offset(binary.BigEndian.Uint64(e[26:])),
		}
		if v := binary.BigEndian.Uint16(e); v != 0 || a.First > a.Last || a.First < 0 || len(out) > 0 && a.Last <= out[len(out)-1].Last {
			return out, &CorruptError{name, int64(pos), fmt.Sprintf("impossible entry version %d %+v", v, a)}
		}
		out = append(out, a)
	}
	return out, nil
}
