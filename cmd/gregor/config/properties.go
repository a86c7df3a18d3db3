package config

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
)

// parseProperties reads what java.util.Properties reads from the same bytes:
//
//	natural line   up to \n, \r or \r\n; bytes are ISO-8859-1
//	logical line   natural lines whose end is escaped by a backslash are one with the
//	               next, blanks in front of a natural line are none of its characters;
//	               lines that are empty or begin with # or ! are left out
//	key            up to the first blank, = or : that no backslash escapes
//	value          behind it, its blanks and at most one = or :
//	\uxxxx         a UTF-16 unit; \t \n \f \r; before anything else a backslash is dropped
//
// Of two equal keys the last one counts. The error names the line. Where a file ends
// in a line of a backslash alone, there is a key without a name, as in Java if no \r
// is in it.
func parseProperties(raw []byte) (map[string]string, error) {
	out := map[string]string{}
	r := lineReader{rest: raw}
	for r.next() {
		end, value := splitProperty(r.line)
		k, err := unescape(r.line[:end])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", r.at, err)
		}
		v, err := unescape(r.line[value:])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", r.at, err)
		}
		out[k] = v
	}
	return out, nil
}

// lineReader gives logical lines.
type lineReader struct {
	rest    []byte
	natural int // lines taken from rest
	line    []byte
	at      int // the line's number in the file; of its first natural line
}

// next tells whether there is another one.
func (r *lineReader) next() bool {
	for len(r.rest) > 0 {
		r.line = r.take()
		r.at = r.natural
		if len(r.line) == 0 || r.line[0] == '#' || r.line[0] == '!' {
			continue
		}
		for escapedEnd(r.line) {
			r.line = r.line[:len(r.line)-1]
			if len(r.rest) == 0 {
				return true
			}
			if len(r.line) == 0 {
				break // nothing has begun yet
			}
			r.line = append(bytes.Clone(r.line), r.take()...)
		}
		if len(r.line) > 0 {
			return true
		}
	}
	return false
}

// take is the next natural line without its end and the blanks in front of it.
func (r *lineReader) take() []byte {
	r.natural++
	line := r.rest
	if end := bytes.IndexAny(line, "\r\n"); end >= 0 {
		line, r.rest = line[:end], afterEnd(line[end:])
	} else {
		r.rest = nil
	}
	return bytes.TrimLeft(line, " \t\f")
}

// afterEnd is what follows a line's end, which is one or two bytes.
func afterEnd(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return b[2:]
	}
	return b[1:]
}

func escapedEnd(line []byte) bool {
	n := len(line)
	for n > 0 && line[n-1] == '\\' {
		n--
	}
	return (len(line)-n)%2 == 1
}

// splitProperty tells where the key of a line ends and its value begins.
func splitProperty(line []byte) (end, value int) {
	for end < len(line) && line[end] != '=' && line[end] != ':' && !isBlank(line[end]) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	for value = end; value < len(line) && isBlank(line[value]); value++ {
	}
	if value < len(line) && (line[value] == '=' || line[value] == ':') {
		value++
	}
	for ; value < len(line) && isBlank(line[value]); value++ {
	}
	return end, value
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }

var escapes = map[byte]uint16{'t': '\t', 'n': '\n', 'f': '\f', 'r': '\r'}

func unescape(b []byte) (string, error) {
	units := make([]uint16, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c != '\\' || i+1 == len(b) {
			units = append(units, uint16(c))
			continue
		}
		i++
		if b[i] != 'u' {
			c, special := escapes[b[i]]
			if !special {
				c = uint16(b[i])
			}
			units = append(units, c)
			continue
		}
		digits := b[i+1 : min(i+5, len(b))]
		n, err := strconv.ParseUint(string(digits), 16, 16)
		if err != nil || len(digits) < 4 {
			return "", fmt.Errorf(`\u%s: behind \u there are four hexadecimal digits; write \\ for a backslash`, digits)
		}
		units = append(units, uint16(n))
		i += 4
	}
	return string(utf16.Decode(units)), nil
}
