package dump

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// typeName is the name of a record's struct.
func typeName(rec any) string { return reflect.TypeOf(rec).Elem().Name() }

// encode renders a generated struct as a JSON object whose members are in the
// order of its fields, with the names that Kafka's schemas have: brokerId for
// BrokerID. Ids print as Kafka prints them, bytes as text or base64.
func encode(v reflect.Value) string {
	var b strings.Builder
	put(&b, v)
	return b.String()
}

func put(b *strings.Builder, v reflect.Value) {
	if s, ok := v.Interface().(fmt.Stringer); ok && v.Kind() == reflect.Array {
		b.WriteString(quote(s.String()))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			b.WriteString("null")
		} else {
			put(b, v.Elem())
		}
	case reflect.Struct:
		putStruct(b, v)
	case reflect.Slice:
		putSlice(b, v)
	case reflect.String:
		b.WriteString(quote(v.String()))
	case reflect.Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Float64:
		b.WriteString(strconv.FormatFloat(v.Float(), 'g', -1, 64))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		b.WriteString(strconv.FormatUint(v.Uint(), 10))
	default:
		b.WriteString(strconv.FormatInt(v.Int(), 10)) // what else a schema has are integers
	}
}

func putStruct(b *strings.Builder, v reflect.Value) {
	b.WriteByte('{')
	for i := range v.NumField() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + memberName(v.Type().Field(i).Name) + `":`)
		put(b, v.Field(i))
	}
	b.WriteByte('}')
}

func putSlice(b *strings.Builder, v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if raw := v.Bytes(); printable(raw) {
			b.WriteString(quote(string(raw)))
		} else {
			b.WriteString(quote(base64.StdEncoding.EncodeToString(raw)))
		}
		return
	}
	b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			b.WriteByte(',')
		}
		put(b, v.Index(i))
	}
	b.WriteByte(']')
}

func printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

var abbreviations = strings.NewReplacer("ID", "Id", "ISR", "Isr", "ELR", "Elr", "ZK", "Zk")

// memberName turns BrokerID into brokerId, TopicIDs into topicIds and ISR into isr.
func memberName(name string) string {
	name = abbreviations.Replace(name)
	return strings.ToLower(name[:1]) + name[1:]
}
