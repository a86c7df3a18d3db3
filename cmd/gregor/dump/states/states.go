// Package states has the records of __transaction_state and of
// __share_group_state, generated from states.txt, for those who look at them
// offline. The frame is that of group records:
//
//	key:   int16 record type    | fields, version 0
//	value: int16 record version | fields; a null value forgets what the key names
package states

import (
	"errors"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/schema/wire"
)

//go:generate go run ../../../../protocol/schema/gen -in states.txt -package states -single records.go

// ErrUnknown: a record type or version that is not known here.
var ErrUnknown = errors.New("unknown record of coordinator state")

// Record is a key or a value: a pointer to one of the structs of this package.
type Record interface {
	Versions() (lowest, highest int16)
	ReadFrom(version int16, src []byte) error
}

// Kind is a log's records: by type, how to make a key and its value.
type Kind []func() (key, value Record)

// The logs.
var (
	Transactions = Kind{func() (Record, Record) { return new(TransactionLogKey), new(TransactionLogValue) }}
	Shares       = Kind{
		func() (Record, Record) { return new(ShareSnapshotKey), new(ShareSnapshotValue) },
		func() (Record, Record) { return new(ShareUpdateKey), new(ShareUpdateValue) },
	}
)

// Parse takes a log record's key and value apart; value is nil for one that
// forgets, version is that of the value. Bytes fields alias key and value.
func (k Kind) Parse(key, value []byte) (rec, val Record, version int16, err error) {
	r := wire.NewReader(key)
	t := r.Int16()
	if err := r.Err(); err != nil {
		return nil, nil, 0, fmt.Errorf("key: %w", err)
	}
	if t < 0 || int(t) >= len(k) {
		return nil, nil, 0, fmt.Errorf("%w: type %d", ErrUnknown, t)
	}
	rec, val = k[t]()
	if err := rec.ReadFrom(0, r.Rest()); err != nil {
		return nil, nil, 0, err
	}
	if value == nil {
		return rec, nil, 0, nil
	}
	r = wire.NewReader(value)
	version = r.Int16()
	if err := r.Err(); err != nil {
		return rec, nil, 0, fmt.Errorf("value: %w", err)
	}
	if lowest, highest := val.Versions(); version < lowest || version > highest {
		return rec, nil, 0, fmt.Errorf("%w: %T version %d", ErrUnknown, val, version)
	}
	return rec, val, version, val.ReadFrom(version, r.Rest())
}
