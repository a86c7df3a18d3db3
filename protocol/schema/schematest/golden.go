// Package schematest compares generated records with what Apache Kafka's own
// serializers wrote. A golden file has a line for each record, version and
// variant (smallest, filled, filled with longer fields):
//
//	<name> <version> <bytes, hex> <the fields as Kafka prints them in JSON, or ->
//
// The programs in kafka/ make the golden files of a Kafka release.
package schematest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// Line is one record of a golden file.
type Line struct {
	Name    string
	Version int16
	Bytes   []byte
	fields  string
}

// Golden reads the file and, for every line, has decode read the bytes into a
// pointer to a struct and write them again. The bytes must come out the same
// and the fields be those of the line. It returns the lines, for seeds.
func Golden(t testing.TB, path string, decode func(Line) (msg any, again []byte, err error)) []Line {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []Line
	for row := range strings.Lines(string(text)) {
		line, err := parse(row)
		if err != nil {
			t.Fatalf("%s: %v: %.60s", path, err, row)
		}
		lines = append(lines, line)
		msg, again, err := decode(line)
		if err != nil {
			t.Errorf("%s %d: %v\n%x", line.Name, line.Version, err, line.Bytes)
			continue
		}
		if !bytes.Equal(again, line.Bytes) {
			t.Errorf("%s %d:\nKafka wrote %x\nwe write    %x", line.Name, line.Version, line.Bytes, again)
		}
		if err := line.compare(msg); err != nil {
			t.Errorf("%s %d: %v", line.Name, line.Version, err)
		}
	}
	return lines
}

func parse(row string) (Line, error) {
	w := strings.SplitN(strings.TrimSpace(row), " ", 4)
	if len(w) != 4 {
		return Line{}, fmt.Errorf("%d words", len(w))
	}
	version, err := strconv.ParseInt(w[1], 10, 16)
	if err != nil {
		return Line{}, err
	}
	raw, err := hex.DecodeString(w[2])
	return Line{w[0], int16(version), raw, w[3]}, err
}

func (l *Line) compare(msg any) error {
	if l.fields == "-" {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(l.fields))
	d.UseNumber()
	var want any
	if err := d.Decode(&want); err != nil {
		return err
	}
	return equal(reflect.ValueOf(msg).Elem(), want, l.Name)
}

// equal compares a Go value with Kafka's JSON of it.
func equal(v reflect.Value, want any, path string) error {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() || want == nil {
			return same(v.IsNil(), want == nil, path)
		}
		return equal(v.Elem(), want, path)
	}
	switch want := want.(type) {
	case nil:
		return same(v.Kind() == reflect.Slice && v.IsNil(), true, path)
	case map[string]any:
		return equalStruct(v, want, path)
	case []any:
		return equalSlice(v, want, path)
	}
	return same(text(v), fmt.Sprint(want), path)
}

func same(got, want any, path string) error {
	if got != want {
		return fmt.Errorf("%s: %v, Kafka has %v", path, got, want)
	}
	return nil
}

// equalStruct finds each field of want by its name, whatever the case.
func equalStruct(v reflect.Value, want map[string]any, path string) error {
	for name, w := range want {
		f := v.FieldByNameFunc(func(s string) bool { return strings.EqualFold(s, name) })
		if !f.IsValid() {
			return fmt.Errorf("%s: no field for %s", path, name)
		}
		if err := equal(f, w, path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func equalSlice(v reflect.Value, want []any, path string) error {
	if v.Len() != len(want) {
		return fmt.Errorf("%s: %d elements, Kafka has %d", path, v.Len(), len(want))
	}
	for i := range want {
		if err := equal(v.Index(i), want[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

// text prints a scalar as Kafka's JSON has it.
func text(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Array:
		var b [16]byte
		reflect.Copy(reflect.ValueOf(&b).Elem(), v)
		return base64.RawURLEncoding.EncodeToString(b[:])
	case reflect.Slice:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', 1, 64) // Java always has a decimal
	case reflect.String:
		return v.String()
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10) // not by String methods
	}
	return fmt.Sprint(v.Interface())
}
