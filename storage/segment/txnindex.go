package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// ErrTxnIndex says that the transaction index is lost or damaged: its owner, who
// knows the producers, must make it anew from the log (SetTxns).
var ErrTxnIndex = errors.New("the transaction index must be rebuilt")

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

// Txns returns the aborted transactions whose markers are in this segment;
// ErrTxnIndex when the file cannot tell them.
func (s *Segment) Txns() ([]AbortedTxn, error) {
	h := s.heat()
	if h.hasTxn {
		return h.txns, nil
	}
	b, err := vfs.ReadFile(s.dir.FS, s.name(TxnSuffix), maxIndexFile)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	txns, err := ParseAbortedTxns(s.name(TxnSuffix), b)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrTxnIndex, err)
	case missing && s.markers:
		return nil, fmt.Errorf("%w: %s is missing", ErrTxnIndex, s.name(TxnSuffix))
	}
	h.txns, h.hasTxn, h.txnSaved = txns, true, len(txns)
	return txns, nil
}

// SetTxns replaces the transaction index, durably.
func (s *Segment) SetTxns(txns []AbortedTxn) error {
	h := s.heat()
	f, err := s.dir.FS.OpenFile(s.name(TxnSuffix), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	defer f.Close()
	var b []byte
	for _, a := range txns {
		b = AppendAbortedTxn(b, a)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(b))); err != nil {
		return err
	}
	h.txns, h.hasTxn, h.txnSaved, s.markers = txns, true, len(txns), false
	s.TxnsVouched, s.TxnsProved = true, true
	return f.Sync()
}

// AddTxn adds to the transaction index; one whose marker is already there is
// ignored (recovery replays markers). The file follows with the next Save.
func (s *Segment) AddTxn(a AbortedTxn) error {
	txns, err := s.Txns()
	if err != nil {
		return err
	}
	if n := len(txns); n > 0 && txns[n-1].Last >= a.Last {
		return nil
	}
	s.hot.txns = append(txns[:len(txns):len(txns)], a)
	return nil
}

// SaveTxns writes the entries that are not in the file yet.
func (s *Segment) SaveTxns() error {
	h := s.hot
	if h == nil || h.txnSaved == len(h.txns) {
		return nil
	}
	f, err := s.dir.FS.OpenFile(s.name(TxnSuffix), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	defer f.Close()
	var b []byte
	for _, a := range h.txns[h.txnSaved:] {
		b = AppendAbortedTxn(b, a)
	}
	if _, err := f.WriteAt(b, int64(h.txnSaved*txnEntry)); err != nil {
		return err
	}
	h.txnSaved = len(h.txns)
	return nil
}

// SyncTxns makes the file of the transaction index durable, if there is one. It
// touches nothing in memory.
func (s *Segment) SyncTxns() error { return vfs.SyncFile(s.dir.FS, s.name(TxnSuffix)) }

// cutTxns removes aborted transactions whose marker is not below next, and a torn tail.
func (s *Segment) cutTxns(next ids.Offset) error {
	h := s.heat()
	name := s.name(TxnSuffix)
	txns, saved, inFile := h.txns, h.txnSaved, int64(h.txnSaved*txnEntry)
	if !h.hasTxn {
		b, err := readIndexFile(s.dir.FS, name)
		if err != nil {
			return err
		}
		txns, err = ParseAbortedTxns(name, b)
		if err != nil && len(txns) < len(b)/txnEntry || b == nil && s.markers {
			return nil // no torn tail but damage, or a loss: Txns says so when it is asked
		}
		saved, inFile = len(txns), int64(len(b))
	}
	for len(txns) > 0 && txns[len(txns)-1].Last >= next {
		txns = txns[:len(txns)-1]
	}
	h.txns, h.hasTxn, h.txnSaved = txns[:len(txns):len(txns)], true, min(saved, len(txns))
	end := int64(h.txnSaved * txnEntry)
	if end == inFile {
		return nil
	}
	f, err := s.dir.FS.OpenFile(name, os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(end); err != nil {
		return err
	}
	return f.Sync()
}
