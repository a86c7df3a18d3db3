package dump

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printer writes lines. As text a line is its kind and name=value pairs,
// indented below the name of its file; as JSON it is one object with the
// members file and kind in front.
type printer struct {
	w    *bufio.Writer
	json bool
	file string
	buf  []byte
	err  error // of the first write that failed
}

func newPrinter(w io.Writer, json bool) *printer {
	return &printer{w: bufio.NewWriterSize(w, 64<<10), json: json}
}

// begin starts a file.
func (p *printer) begin(file string) {
	p.file = file
	if !p.json {
		p.write(append([]byte(file), '\n'))
	}
}

func (p *printer) write(b []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
}

func (p *printer) flush() error {
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}

// field is a name and a value in JSON.
type field struct{ name, value string }

func num[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint32](name string, v T) field {
	return field{name, strconv.FormatInt(int64(v), 10)}
}

func flag(name string, v bool) field { return field{name, strconv.FormatBool(v)} }

func text(name, v string) field { return field{name, quote(v)} }

// data is a key or value: a string if it is one, else base64 under a name that says so.
func data(name string, b []byte) field {
	switch {
	case b == nil:
		return field{name, "null"}
	case utf8.Valid(b):
		return text(name, string(b))
	}
	return field{name + "Base64", quote(base64.StdEncoding.EncodeToString(b))}
}

// quote makes a JSON string. Strings that are not UTF-8 do not get here but
// from damaged files; what is wrong in them is replaced.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// line writes one line.
func (p *printer) line(kind string, fields ...field) {
	b := p.buf[:0]
	if p.json {
		b = append(append(b, `{"file":`...), quote(p.file)...)
		b = append(append(append(b, `,"kind":"`...), kind...), '"')
		for _, f := range fields {
			b = append(append(append(b, `,"`...), f.name...), `":`...)
			b = append(b, f.value...)
		}
		b = append(b, '}')
	} else {
		b = append(append(b, "  "...), kind...)
		for _, f := range fields {
			b = append(append(append(b, ' '), f.name...), '=')
			b = append(b, bare(f.value)...)
		}
	}
	p.buf = append(b, '\n')
	p.write(p.buf)
}

// bare drops the quotes of a string that cannot be taken for anything else.
func bare(v string) string {
	if len(v) > 2 && v[0] == '"' && !strings.ContainsAny(v[1:len(v)-1], "\"\\ =[]{},") && v != `"null"` {
		return v[1 : len(v)-1]
	}
	return v
}
