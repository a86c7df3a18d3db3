package configs

import (
	"errors"
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// Values is a configuration with every default filled in. It never changes and
// may be shared. Asking it for a key that does not exist, or as another type
// than the table's, is a bug and panics.
type Values struct {
	kind   Kind
	raw    map[string]string // what was set, unknown keys included
	parsed map[string]any    // the known keys among them
	base   *Values           // asked for keys that are not set here; may be nil
	// defaults remembers ResolveDefaults by kind; of broker values only.
	defaults [len(tables)]atomic.Pointer[Values]
}

// Resolve parses a server configuration, key by key. All errors are reported,
// joined; each is an *InvalidError or a missing required key. Unknown keys are
// kept and no error. The result is usable, with defaults in place of what was
// wrong, even when there is an error. See Validate for the checks across keys.
func Resolve(props map[string]string) (*Values, error) {
	props = maps.Clone(props)
	if props == nil {
		props = map[string]string{}
	}
	// broker.id is the older name of node.id, either one sets both.
	if id, ok := props["node.id"]; ok && props["broker.id"] == "" {
		props["broker.id"] = id
	} else if id, ok := props["broker.id"]; ok && props["node.id"] == "" {
		props["node.id"] = id
	}
	v, errs := parseAll(Broker, props, nil)
	for _, d := range All(Broker) {
		if _, ok := props[d.Name]; d.Required && !ok {
			errs = append(errs, plainly(d.Name, `Missing required configuration "`+d.Name+`" which has no default value.`))
		}
	}
	return v, errors.Join(errs...)
}

// parseAll parses the known keys of props and collects the errors in the order
// of the names.
func parseAll(kind Kind, props map[string]string, base *Values) (*Values, []error) {
	v := &Values{kind: kind, raw: props, parsed: make(map[string]any, len(props)), base: base}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(props)) {
		d, ok := Lookup(kind, name)
		if !ok || d.DynamicOnly && base == nil {
			continue
		}
		value, err := d.ParseAs(name, props[name])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v.parsed[name] = value
	}
	return v, errs
}

// Overlay returns v with layers of dynamic configuration on top, the last one
// the strongest. Values that do not parse and keys that cannot be altered at
// run time are left out: the controller refused them, or never knew better.
func (v *Values) Overlay(layers ...map[string]string) *Values {
	for _, layer := range layers {
		if len(layer) == 0 {
			continue
		}
		dynamic := make(map[string]string, len(layer))
		for name, raw := range layer {
			if d, ok := Lookup(v.kind, name); !ok || v.kind != Broker || d.Mode != ReadOnly {
				dynamic[name] = raw
			}
		}
		v, _ = parseAll(v.kind, dynamic, v)
	}
	return v
}

// IsSet tells whether the key was given, here or in a layer below.
func (v *Values) IsSet(name string) bool {
	_, ok := v.Raw(name)
	return ok
}

// Raw is the text given for a key, known or not.
func (v *Values) Raw(name string) (string, bool) {
	for ; v != nil; v = v.base {
		if raw, ok := v.raw[name]; ok {
			return raw, true
		}
	}
	return "", false
}

// Props is a copy of all that was given, unknown keys included.
func (v *Values) Props() map[string]string {
	out := map[string]string{}
	for layer := v; layer != nil; layer = layer.base {
		for name := range layer.raw {
			if raw, ok := v.Raw(name); ok {
				out[name] = raw
			}
		}
	}
	return out
}

// Get is the value of a key as Parse returns it, or nil for null.
func (v *Values) Get(name string) any {
	for layer := v; layer != nil; layer = layer.base {
		if value, ok := layer.parsed[name]; ok {
			return value
		}
	}
	d, ok := Lookup(v.kind, name)
	if !ok {
		panic("configs: no key " + name)
	}
	return d.DefaultValue()
}

func get[T any](v *Values, name string) (value T) {
	switch got := v.Get(name).(type) {
	case nil: // null reads as the zero value
	case T:
		value = got
	default:
		panic("configs: " + name + " is of another type")
	}
	return value
}

// Int is the value of an Int or Short key; 0 for null.
func (v *Values) Int(name string) int32 {
	if d, ok := Lookup(v.kind, name); ok && d.Type == Short {
		return int32(get[int16](v, name))
	}
	return get[int32](v, name)
}

// Long is the value of a Long key; 0 for null.
func (v *Values) Long(name string) int64 { return get[int64](v, name) }

// Time is the value of a Long key that counts units. What is more than a Duration
// holds, 292 years, is as long as that: people write "for ever" as the largest number.
func (v *Values) Time(name string, unit time.Duration) time.Duration {
	most := math.MaxInt64 / int64(unit)
	return time.Duration(max(-most, min(v.Long(name), most))) * unit
}

// Bool is the value of a Boolean key.
func (v *Values) Bool(name string) bool { return get[bool](v, name) }

// Double is the value of a Double key.
func (v *Values) Double(name string) float64 { return get[float64](v, name) }

// String is the value of a String or Class key; "" for null.
func (v *Values) String(name string) string { return get[string](v, name) }

// List is the value of a List key; nil for null. It must not be changed.
func (v *Values) List(name string) []string { return get[[]string](v, name) }

// Secret is the value of a Password key; "" for null.
func (v *Values) Secret(name string) Secret { return get[Secret](v, name) }

// Family is the value of a broker key that may be given in several units or
// places (log.retention.ms, log.roll.ms, log.roll.jitter.ms,
// log.flush.interval.ms), in the unit of name.
func (v *Values) Family(name string) int64 {
	var last int64
	for _, s := range synonymsOf(Broker, name) {
		switch value := v.Get(s.Name).(type) {
		case int64:
			return value * s.PerUnit
		case int32:
			return int64(value) * s.PerUnit
		}
	}
	return last
}

// RetentionMs is Family("log.retention.ms") with every negative age as -1, for ever.
func (v *Values) RetentionMs() int64 { return max(v.Family("log.retention.ms"), -1) }

// LogDirs is log.dirs, or log.dir when that is unset.
func (v *Values) LogDirs() []string {
	if dirs := v.List("log.dirs"); dirs != nil {
		return dirs
	}
	return v.List("log.dir")
}

// TopicDefaults is the value that each topic key has on this broker when the
// topic does not set it. Keys that are null by default are left out.
func TopicDefaults(broker *Values) map[string]string {
	out := make(map[string]string, len(All(Topic)))
	for _, d := range All(Topic) {
		if raw, ok := d.brokerValue(broker); ok {
			out[d.Name] = raw
		}
	}
	return out
}

// brokerValue is what the broker gives a topic or group key: the value of the
// first synonym that is not null, converted to the key's unit.
func (d *Def) brokerValue(broker *Values) (string, bool) {
	if d.Kind == Topic && d.Name == "retention.ms" {
		return Format(broker.RetentionMs()), true
	}
	for _, s := range d.Synonyms {
		value := broker.Get(s.Name)
		if value == nil {
			continue
		}
		if s.PerUnit != 1 {
			value = broker.Family(s.Name)
		}
		return Format(value), true
	}
	if d.Default == nil {
		return "", false
	}
	return *d.Default, true
}

// ResolveDefaults is what a topic, group or subscription has on this broker
// when it sets nothing: the base for its own values, see Overlay.
func ResolveDefaults(kind Kind, broker *Values) *Values {
	v := broker.defaults[kind].Load()
	if v == nil { // two callers may both make it; they make the same
		v = resolveDefaults(kind, broker)
		broker.defaults[kind].Store(v)
	}
	return v
}

func resolveDefaults(kind Kind, broker *Values) *Values {
	props := make(map[string]string, len(All(kind)))
	for _, d := range All(kind) {
		if raw, ok := d.brokerValue(broker); ok {
			props[d.Name] = raw
		}
	}
	v, _ := parseAll(kind, props, nil)
	return v
}

// TopicValues is a topic's configuration: its overrides over the broker's
// defaults. Overrides that do not parse are left out.
func TopicValues(overrides map[string]string, broker *Values) *Values {
	return ResolveDefaults(Topic, broker).Overlay(overrides)
}
