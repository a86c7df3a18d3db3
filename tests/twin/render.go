package twin

import (
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// render writes a message as lines "path = value". Elements of an array of
// structs are called by their own name (topic, partition, group …) instead of
// their index and are sorted by it, since Kafka's order is a hash map's.
func (r *Run) render(resp kmsg.Response) []string {
	var out []string
	r.walk("", reflect.ValueOf(resp).Elem(), &out)
	kept := out[:0]
	for _, l := range out {
		path, _, _ := strings.Cut(l, " = ")
		if !r.hidden(path) {
			kept = append(kept, l)
		}
	}
	return kept
}

func (r *Run) hidden(path string) bool {
	for _, h := range r.script.Hide {
		if strings.HasSuffix(path, h) {
			return true
		}
	}
	return false
}

func (r *Run) walk(path string, v reflect.Value, out *[]string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i).Name
			if f == "Version" || f == "UnknownTags" {
				continue
			}
			r.walk(join(path, f), v.Field(i), out)
		}
	case reflect.Pointer:
		if v.IsNil() {
			*out = append(*out, path+" = null")
			return
		}
		r.walk(path, v.Elem(), out)
	case reflect.Slice:
		r.walkSlice(path, v, out)
	default:
		*out = append(*out, path+" = "+r.scalar(path, v))
	}
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

func (r *Run) walkSlice(path string, v reflect.Value, out *[]string) {
	if b, ok := v.Interface().([]byte); ok {
		r.bytes(path, b, out)
		return
	}
	if v.IsNil() {
		*out = append(*out, path+" = null")
		return
	}
	if v.Type().Elem().Kind() != reflect.Struct {
		var vs []string
		for i := range v.Len() {
			vs = append(vs, r.scalar(path, v.Index(i)))
		}
		*out = append(*out, path+" = ["+strings.Join(vs, " ")+"]")
		return
	}
	type element struct {
		label string
		v     reflect.Value
	}
	var es []element
	for i := range v.Len() {
		l := r.label(v.Index(i), i)
		if r.foreign(l) {
			continue
		}
		es = append(es, element{l, v.Index(i)})
	}
	sort.SliceStable(es, func(i, j int) bool { return es[i].label < es[j].label })
	*out = append(*out, fmt.Sprintf("%s.len = %d", path, len(es)))
	for i, e := range es {
		l := e.label
		if i > 0 && es[i-1].label == l {
			l += "#" + strconv.Itoa(i)
		}
		if strings.HasSuffix(path, "Configs") {
			*out = append(*out, path+"["+l+"] = "+r.compact(e.v))
			continue
		}
		r.walk(path+"["+l+"]", e.v, out)
	}
}

// compact renders one configuration, of which there are many, on one line.
func (r *Run) compact(v reflect.Value) string {
	var ls []string
	r.walk("", v, &ls)
	for i, l := range ls {
		p, val, _ := strings.Cut(l, " = ")
		ls[i] = p + ":" + val
	}
	return strings.Join(ls[1:], " ") // the first is the name, which the path has
}

// labels are the fields that name an element, the first that is there and not empty.
var labels = []string{"Topic", "Name", "TopicID", "Partition", "ApiKey", "ResourceName", "Group", "NodeID", "ReplicaID", "ProducerID", "Dir", "Feature", "Key", "MemberID", "Index"}

func (r *Run) label(v reflect.Value, i int) string {
	empty := strconv.Itoa(i)
	for _, name := range labels {
		f := v.FieldByName(name)
		if !f.IsValid() || (f.IsZero() && f.Kind() != reflect.Int32 && f.Kind() != reflect.Int16) {
			if f.IsValid() && f.Kind() == reflect.String {
				empty = `""`
			}
			continue
		}
		for f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		return r.scalar(name, f)
	}
	return empty
}

// foreign tells names of other runs, which lists of everything contain.
func (r *Run) foreign(label string) bool {
	name := strings.Trim(label, `"`)
	return strings.HasPrefix(name, "__") || strings.HasPrefix(name, "twin-") && !strings.HasPrefix(name, r.prefix)
}

// clocks and counters differ from run to run: what matters is whether they are set.
var volatile = regexp.MustCompile(`(Timestamp|LogAppendTimeMillis|LogAppendTime|ProducerID|SessionID|BrokerEpoch|FinalizedFeaturesEpoch|TotalBytes|UsableBytes|Port|UnstableLogEndOffset)$`)

func (r *Run) scalar(path string, v reflect.Value) string {
	switch x := v.Interface().(type) {
	case [16]byte:
		return r.id(x)
	case int16:
		if strings.HasSuffix(path, "ErrorCode") {
			return fmt.Sprintf("%d %s", x, codeName(x))
		}
	}
	if (v.CanInt() && v.Int() > 0 || v.CanUint() && v.Uint() > 0) && volatile.MatchString(path) {
		return "<set>"
	}
	if strings.HasSuffix(path, "Documentation") {
		return "<words>"
	}
	if v.Kind() == reflect.String {
		return strconv.Quote(r.mask(v.String()))
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprint(v.Interface())
}

func codeName(c int16) string {
	if c == 0 {
		return "NONE"
	}
	if e := kerr.TypedErrorForCode(c); e != nil {
		return e.Message
	}
	return "?"
}

func (r *Run) id(id [16]byte) string {
	if id == ([16]byte{}) {
		return "<no id>"
	}
	if n, ok := r.ids[id]; ok {
		return "<id of " + n + ">"
	}
	return "<id>"
}

// Call gives a runtime value (a member id, for one) its name in the transcript.
func (r *Run) Call(value, name string) {
	if value != "" {
		r.names[value] = name
	}
}

var (
	uuids     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	addresses = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	bounds    = regexp.MustCompile(`within \[[^\]]*\]`)
	folders   = regexp.MustCompile(`/\S*gregor-test-[a-z]+-\d+`)
)

// mask replaces what differs from one run to the next inside a text.
func (r *Run) mask(s string) string {
	for v, n := range r.names {
		s = strings.ReplaceAll(s, v, "<"+n+">")
	}
	s = uuids.ReplaceAllString(s, "<uuid>")
	s = bounds.ReplaceAllString(s, "within <bounds>")
	s = addresses.ReplaceAllString(s, "<address>")
	return folders.ReplaceAllString(s, "<folder>")
}

// bytes renders opaque bytes, and record batches header by header.
func (r *Run) bytes(path string, b []byte, out *[]string) {
	if b == nil {
		*out = append(*out, path+" = null")
		return
	}
	if !strings.HasSuffix(path, "RecordBatches") {
		*out = append(*out, fmt.Sprintf("%s = %q", path, r.mask(string(b))))
		return
	}
	n := 0
	for ; len(b) > 12; n++ {
		var batch kmsg.RecordBatch
		size := int(int32(uint32(b[8])<<24|uint32(b[9])<<16|uint32(b[10])<<8|uint32(b[11]))) + 12
		if size < 61 || size > len(b) {
			*out = append(*out, fmt.Sprintf("%s[%d] = a part of a batch", path, n))
			return
		}
		if err := batch.ReadFrom(b[:size]); err != nil {
			*out = append(*out, fmt.Sprintf("%s[%d] = unreadable: %v", path, n, err))
			return
		}
		if batch.ProducerID >= 0 {
			batch.CRC = 0 // it covers the producer id, which differs
		}
		r.walk(fmt.Sprintf("%s[%d]", path, n), reflect.ValueOf(batch), out)
		b = b[size:]
	}
	*out = append(*out, fmt.Sprintf("%s.batches = %d", path, n))
}
