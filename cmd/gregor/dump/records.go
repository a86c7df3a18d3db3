package dump

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/gregorbroker/gregor/cmd/gregor/dump/states"
	"github.com/gregorbroker/gregor/controller/records"
	groups "github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/gregorbroker/gregor/protocol/batch"
	"github.com/gregorbroker/gregor/protocol/configs"
)

// topicOf cuts "topic-3" or "topic-3.<id>-delete" into its topic and the rest.
func topicOf(folder string) (topic, rest string) {
	i := strings.LastIndexByte(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(folder, "-delete"), "-stray"), "-future"), '-')
	if i < 0 {
		return folder, ""
	}
	return folder[:i], folder[i+1:]
}

func isSnapshot(name string) bool { return strings.Contains(name, checkpointSuffix) }

// place is what every record begins with.
func place(r *batch.Record) []field {
	return []field{num("offset", r.Offset), num("timestamp", r.Timestamp)}
}

// record prints a data record, decoded if the log's decoder can.
func (l *log) record(r *batch.Record) {
	fields := place(r)
	switch l.decoder {
	case Metadata:
		fields = append(fields, metadata(r.Value)...)
	case Groups:
		fields = append(fields, group(r.Key, r.Value)...)
	case Transactions:
		fields = append(fields, state(states.Transactions, r)...)
	case Shares:
		fields = append(fields, state(states.Shares, r)...)
	default:
		fields = append(fields, data("key", r.Key), data("value", r.Value))
	}
	if len(r.Headers) > 0 {
		fields = append(fields, headers(r.Headers))
	}
	l.out.line("record", fields...)
}

func headers(list []batch.Header) field {
	var b strings.Builder
	b.WriteByte('[')
	for i, h := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		v := data("value", h.Value)
		fmt.Fprintf(&b, `{"key":%s,"%s":%s}`, quote(string(h.Key)), v.name, v.value)
	}
	b.WriteByte(']')
	return field{"headers", b.String()}
}

// metadata decodes a record of the metadata log. One that this version does
// not know is shown as it is.
func metadata(value []byte) []field {
	rec, version, err := records.Parse(value)
	if err != nil {
		return []field{data("value", value), text("undecoded", err.Error())}
	}
	hide(rec)
	return []field{text("type", typeName(rec)), num("version", version), {"data", encode(reflect.ValueOf(rec))}}
}

// hide blanks what nobody who reads a dump needs.
func hide(rec records.Record) {
	const blank = "[hidden]"
	switch r := rec.(type) {
	case *records.UserScramCredentialRecord:
		r.Salt, r.StoredKey, r.ServerKey = []byte(blank), []byte(blank), []byte(blank)
	case *records.ConfigRecord:
		if d, ok := configs.Lookup(configs.Broker, r.Name); r.Value != nil && (!ok && secretive(r.Name) || ok && d.Sensitive) {
			s := blank
			r.Value = &s
		}
	}
}

// secretive tells keys that are not in the table but end like those of secrets
// do: of a listener (listener.name.x.ssl.key.password) or of a plug-in.
func secretive(name string) bool {
	for _, end := range []string{"password", "secret", "jaas.config", "keystore.key", "passphrase"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// group decodes a record of __consumer_offsets.
func group(key, value []byte) []field {
	k, err := groups.ParseKey(key)
	if err != nil {
		return []field{data("key", key), data("value", value), text("undecoded", err.Error())}
	}
	fields := []field{text("type", strings.TrimSuffix(typeName(k), "Key")), {"key", encode(reflect.ValueOf(k))}}
	v, version, err := groups.ParseValue(k, value)
	switch {
	case err != nil:
		return append(fields, data("value", value), text("undecoded", err.Error()))
	case v == nil:
		return append(fields, field{"value", "null"})
	}
	return append(fields, num("version", version), field{"value", encode(reflect.ValueOf(v))})
}

// state decodes a record of a log of coordinator state.
func state(kind states.Kind, r *batch.Record) []field {
	key, value, version, err := kind.Parse(r.Key, r.Value)
	switch {
	case err != nil:
		return []field{data("key", r.Key), data("value", r.Value), text("undecoded", err.Error())}
	case value == nil:
		return []field{text("type", strings.TrimSuffix(typeName(key), "Key")), {"key", encode(reflect.ValueOf(key))}, {"value", "null"}}
	}
	return []field{text("type", strings.TrimSuffix(typeName(key), "Key")), {"key", encode(reflect.ValueOf(key))}, num("version", version), {"value", encode(reflect.ValueOf(value))}}
}

// controlNames are Kafka's.
var controlNames = map[batch.ControlType]string{
	batch.ControlAbort: "ABORT", batch.ControlCommit: "COMMIT", batch.ControlLeaderChange: "LEADER_CHANGE",
	batch.ControlSnapshotHeader: "SNAPSHOT_HEADER", batch.ControlSnapshotFooter: "SNAPSHOT_FOOTER",
	batch.ControlKRaftVersion: "KRAFT_VERSION", batch.ControlKRaftVoters: "KRAFT_VOTERS",
}

// control prints a control record.
func (l *log) control(r *batch.Record) {
	fields := place(r)
	t, err := batch.ControlTypeOf(r.Key)
	name, known := controlNames[t]
	if err != nil || !known {
		l.out.line("control", append(fields, data("key", r.Key), data("value", r.Value))...)
		return
	}
	fields = append(fields, text("type", name))
	if m, err := batch.ParseEndTxnMarker(t, r.Value); err == nil {
		l.out.line("control", append(fields, num("coordinatorEpoch", m.CoordinatorEpoch))...)
		return
	}
	m, err := batch.ParseControlMessage(t, r.Value)
	if err != nil {
		l.out.line("control", append(fields, data("value", r.Value), text("undecoded", err.Error()))...)
		return
	}
	l.out.line("control", append(fields, field{"data", encode(reflect.ValueOf(m))})...)
}
