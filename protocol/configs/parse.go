package configs

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// InvalidError is a value that its key does not take. Its text is what Kafka
// answers for the same mistake, so that tools show what people know.
type InvalidError struct {
	Name   string
	Value  string // as Kafka prints it; "[hidden]" for secrets
	Reason string
	plain  bool // the reason is the whole text
}

func (e *InvalidError) Error() string {
	if e.plain {
		return e.Reason
	}
	return "Invalid value " + e.Value + " for configuration " + e.Name + ": " + e.Reason
}

// Secret is the value of a Password key. It prints as [hidden].
type Secret string

func (Secret) String() string   { return "[hidden]" }
func (Secret) GoString() string { return "[hidden]" }

// Parse turns text into the key's value and checks it: bool, string (String and
// Class), int32 (Int), int16 (Short), int64 (Long), float64, []string (List) or
// Secret. The error is an *InvalidError.
func (d *Def) Parse(raw string) (any, error) { return d.ParseAs(d.Name, raw) }

// ParseAs is Parse for a key that was given under another name, with a listener
// prefix; errors name that one.
func (d *Def) ParseAs(name, raw string) (any, error) {
	value, reason := d.Type.parse(raw)
	if reason != "" {
		return nil, &InvalidError{Name: name, Value: d.show(raw), Reason: reason}
	}
	if list, ok := value.([]string); ok && d.once() {
		value = distinct(list)
	}
	if d.valid != nil {
		if err := d.valid.check(name, value); err != nil {
			return nil, err
		}
	}
	return value, nil
}

// once tells of a list whose elements count once, however often they are given (KIP-1161).
func (d *Def) once() bool {
	_, ok := d.valid.(wordList)
	return ok
}

// distinct keeps the first of equal elements. The lists are short.
func distinct(list []string) []string {
	for i := range list {
		if slices.Contains(list[:i], list[i]) {
			out := slices.Clone(list[:i])
			for _, element := range list[i:] {
				if !slices.Contains(out, element) {
					out = append(out, element)
				}
			}
			return out
		}
	}
	return list
}

func (d *Def) show(raw string) string {
	if d.Sensitive {
		return "[hidden]"
	}
	return raw
}

// DefaultValue is the parsed default; nil when the default is null.
func (d *Def) DefaultValue() any {
	if d.Default == nil {
		return nil
	}
	value, reason := d.Type.parse(*d.Default)
	if reason != "" {
		panic("configs: the default of " + d.Name + " does not parse: " + reason)
	}
	return value
}

func (t Type) parse(raw string) (value any, reason string) {
	text := trim(raw)
	switch t {
	case Boolean:
		switch {
		case strings.EqualFold(text, "true"):
			return true, ""
		case strings.EqualFold(text, "false"):
			return false, ""
		}
		return nil, "Expected value to be either true or false"
	case Password:
		return Secret(text), ""
	case List:
		return splitList(text), ""
	case Int, Short, Long, Double:
		if value := t.parseNumber(text); value != nil {
			return value, ""
		}
		return nil, "Not a number of type " + t.String()
	}
	return text, ""
}

func (t Type) parseNumber(text string) any {
	switch t {
	case Short:
		if n, err := strconv.ParseInt(text, 10, 16); err == nil {
			return int16(n)
		}
	case Int:
		if n, err := strconv.ParseInt(text, 10, 32); err == nil {
			return int32(n)
		}
	case Long:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case Double:
		// Go reads some texts that Java does not, such as inf and 1_0.
		if strings.Trim(text, "0123456789+-.eE") != "" {
			return nil
		}
		if f, err := strconv.ParseFloat(text, 64); err == nil || math.IsInf(f, 0) && text != "" {
			return f
		}
	}
	return nil
}

// trim drops what Java's String.trim does: everything up to the blank.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
}

// splitList keeps empty elements: the validators complain about them.
func splitList(text string) []string {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " \t\n\v\f\r")
	}
	return parts
}

// Format prints a parsed value as DescribeConfigs shows it: the canonical text
// and not necessarily the one that was parsed. A Secret prints as it is: it is
// the caller that must not show it.
func Format(value any) string {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, ",")
	case Secret:
		return string(v)
	case float64:
		return formatDouble(v)
	}
	return fmt.Sprint(value)
}

// formatDouble prints as Java does: plain between 1e-3 and 1e7, otherwise with
// an exponent, and always with a digit behind the point.
func formatDouble(f float64) string {
	switch abs := math.Abs(f); {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case abs == 0 || abs >= 1e-3 && abs < 1e7:
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', -1, 64), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}
