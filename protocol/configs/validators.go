package configs

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// validator judges a parsed value. Its errors are *InvalidError.
type validator interface {
	check(name string, value any) error
}

func invalid(name string, value any, reason string) error {
	return &InvalidError{Name: name, Value: showValue(value), Reason: reason}
}

func plainly(name, reason string) error {
	return &InvalidError{Name: name, Reason: reason, plain: true}
}

// showValue prints a value as Java does in an error: lists in brackets.
func showValue(value any) string {
	if list, ok := value.([]string); ok {
		return "[" + strings.Join(list, ", ") + "]"
	}
	if s, ok := value.(Secret); ok {
		return s.String()
	}
	return Format(value)
}

// numberRange bounds a number on one or both sides, both inclusive. Bounds and
// values are compared as float64, which is exact for every bound in the table.
type numberRange struct {
	min, max float64
	bounded  bool // max counts
}

func atLeast(min float64) validator      { return numberRange{min: min} }
func between(min, max float64) validator { return numberRange{min: min, max: max, bounded: true} }

func (r numberRange) check(name string, value any) error {
	f := number(value)
	if f < r.min {
		return invalid(name, value, "Value must be at least "+plainNumber(r.min))
	}
	if r.bounded && f > r.max {
		return invalid(name, value, "Value must be no more than "+plainNumber(r.max))
	}
	return nil
}

func plainNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func number(value any) float64 {
	switch v := value.(type) {
	case int16:
		return float64(v)
	case int32:
		return float64(v)
	case int64:
		return float64(v)
	}
	return value.(float64)
}

// stringSet takes one of a few words.
type stringSet struct {
	words []string
	fold  bool // in any case
}

func oneOf(words ...string) validator     { return stringSet{words: words} }
func oneOfFold(words ...string) validator { return stringSet{words: words, fold: true} }

func (s stringSet) check(name string, value any) error {
	text := value.(string)
	if s.fold {
		if !slices.ContainsFunc(s.words, func(w string) bool { return strings.EqualFold(w, text) }) {
			return invalid(name, value, "String must be one of (case insensitive): "+strings.Join(s.words, ", "))
		}
		return nil
	}
	if !slices.Contains(s.words, text) {
		return invalid(name, value, "String must be one of: "+strings.Join(s.words, ", "))
	}
	return nil
}

// wordList takes a list without empty elements, and of given words only when there
// are some. Duplicates are gone before it is asked.
type wordList struct {
	emptyAllowed bool
	words        stringSet
}

func listOf(emptyAllowed bool, words ...string) validator {
	return wordList{emptyAllowed, stringSet{words: words}}
}

func (l wordList) check(name string, value any) error {
	list := value.([]string)
	if len(list) == 0 && !l.emptyAllowed {
		valid := "any non-empty value"
		if len(l.words.words) > 0 {
			valid = showValue(l.words.words)
		}
		return plainly(name, "Configuration '"+name+"' must not be empty. Valid values include: "+valid)
	}
	for _, element := range list {
		if element == "" {
			return plainly(name, "Configuration '"+name+"' values must not be empty.")
		}
		if len(l.words.words) > 0 {
			if err := l.words.check(name, element); err != nil {
				return err
			}
		}
	}
	return nil
}

type nonEmpty struct{}

func (nonEmpty) check(name string, value any) error {
	if value.(string) == "" {
		return invalid(name, value, "String must be non-empty")
	}
	return nil
}

// gzipLevel takes 1 to 9, or -1 for the library's default.
type gzipLevel struct{}

func (gzipLevel) check(name string, value any) error {
	if level := value.(int32); level > 9 || level < 1 && level != -1 {
		return invalid(name, value, "Value must be between 1 and 9 or equal to -1")
	}
	return nil
}

var throttledReplica = regexp.MustCompile(`^([0-9]+:[0-9]+)?$`)

// throttledReplicas takes partition:broker pairs or a lone *.
type throttledReplicas struct{}

func (throttledReplicas) check(name string, value any) error {
	list := value.([]string)
	if strings.Join(list, "") == "*" {
		return nil
	}
	for _, element := range list {
		if !throttledReplica.MatchString(element) {
			return invalid(name, value, name+" must be the literal '*' or a list of replicas in the following format: "+
				"[partitionId]:[brokerId],[partitionId]:[brokerId],...")
		}
	}
	return nil
}

// isoDuration is the form that Java's Duration reads, without a sign: negative
// durations are refused.
var isoDuration = regexp.MustCompile(`(?i)^P(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:[.,]\d{0,9})?S)?)?$`)

// offsetReset takes earliest, latest and by_duration:<ISO 8601 duration>.
type offsetReset struct{}

func (offsetReset) check(name string, value any) error {
	text := value.(string)
	if text == "earliest" || text == "latest" {
		return nil
	}
	if d, ok := strings.CutPrefix(text, "by_duration:"); ok && isoDuration.MatchString(d) && len(d) > 1 && !strings.HasSuffix(d, "T") {
		return nil
	}
	return invalid(name, value, fmt.Sprintf("Invalid value `%s` for configuration %s. The value must be either 'earliest', 'latest' "+
		"or of the format 'by_duration:<PnDTnHnMn.nS>'.", text, name))
}

// voterList takes id@host:port elements.
type voterList struct{}

func (voterList) check(name string, value any) error {
	_, err := parseVoters(name, value.([]string))
	return err
}

// hostPortList takes host:port elements.
type hostPortList struct{}

func (hostPortList) check(name string, value any) error {
	for _, element := range value.([]string) {
		if _, err := parseHostPort(name, element, `"{host}:{port}"`); err != nil {
			return err
		}
	}
	return nil
}

// hostAndPort takes an address to listen on, or nothing.
type hostAndPort struct{}

func (hostAndPort) check(name string, value any) error {
	text := value.(string)
	_, port, err := net.SplitHostPort(text)
	if _, number := strconv.ParseUint(port, 10, 16); text != "" && (err != nil || number != nil) {
		return invalid(name, value, "write it as host:port, such as 127.0.0.1:9404")
	}
	return nil
}
