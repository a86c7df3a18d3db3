package dump

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// maxSmall bounds the files that are read whole: they have a few lines.
const maxSmall = 64 << 10

// maxLine bounds a line of a checkpoint: a topic's name has at most 249 bytes.
const maxLine = 4 << 10

func small(f vfs.File, size int64) ([]byte, error) {
	if size > maxSmall {
		return nil, broken(maxSmall, "the file has %d bytes, far more than any of its kind", size)
	}
	b := make([]byte, size)
	return b, readAt(f, b, 0)
}

// empty is a file that is there to be there.
func (d *dumper) empty(_ vfs.File, size int64) error {
	d.out.line("empty", num("bytes", size))
	return nil
}

// properties dumps meta.properties: its lines as they are, then what is wrong with them.
func (d *dumper) properties(f vfs.File, size int64) error {
	b, err := small(f, size)
	if err != nil {
		return err
	}
	var fields []field
	for line := range strings.Lines(string(b)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && key[:min(1, len(key))] != "#" {
			fields = append(fields, text(key, value))
		}
	}
	d.out.line("properties", fields...)
	if _, err := logdir.ParseMeta(b); err != nil {
		return broken(0, "%v", err)
	}
	return nil
}

// json dumps a file that is one JSON object. An empty one is Kafka's mark of a
// clean shutdown before 3.7.
func (d *dumper) json(f vfs.File, size int64) error {
	b, err := small(f, size)
	if err != nil {
		return err
	}
	if size == 0 {
		return d.empty(f, size)
	}
	var raw json.RawMessage
	err = json.Unmarshal(b, &raw)
	var at *json.SyntaxError
	switch {
	case errors.As(err, &at):
		d.out.line("text", data("contents", b))
		return broken(at.Offset, "%v", err)
	case err != nil:
		return broken(0, "%v", err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return broken(0, "%v", err)
	}
	d.out.line("state", field{"data", out.String()})
	return nil
}

// partitionMetadata dumps partition.metadata.
func (d *dumper) partitionMetadata(f vfs.File, size int64) error {
	b, err := small(f, size)
	if err != nil {
		return err
	}
	id, err := partlog.ParseMetadata(b)
	if err != nil {
		d.out.line("text", data("contents", b))
		return broken(0, "%v", err)
	}
	d.out.line("partition", num("version", 0), text("topicId", id.String()))
	return nil
}

// checkpoint dumps a file of "version, count, then a line an entry": offsets of
// partitions, or where leader epochs began.
func (d *dumper) checkpoint(f vfs.File, size int64) error {
	r := &lines{r: bufio.NewReaderSize(io.NewSectionReader(f, 0, size), maxLine)}
	version, err1 := r.number()
	count, err2 := r.number()
	if err := errors.Join(err1, err2); err != nil {
		return broken(r.at, "no version and number of entries in the first two lines")
	}
	d.out.line("checkpoint", num("version", version), num("entries", count))
	if version != 0 {
		return broken(0, "version %d, this reads 0", version)
	}
	entry := d.offsetEntry
	if strings.HasPrefix(path.Base(f.Name()), epochs.FileName) {
		entry = d.epochEntry
	}
	n := int64(0)
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !entry(strings.Fields(line)) {
			return broken(r.at, "the line is no entry: %.80q", line)
		}
		n++
	}
	if n != count {
		return broken(r.at, "%d entries announced, %d follow", count, n)
	}
	return nil
}

// mark dumps high-watermark: a version and an offset, a line each.
func (d *dumper) mark(f vfs.File, size int64) error {
	r := &lines{r: bufio.NewReader(io.NewSectionReader(f, 0, size))}
	version, err1 := r.number()
	offset, err2 := r.number()
	if err1 != nil || err2 != nil || version != 0 {
		return broken(r.at, "no version 0 and offset in the first two lines")
	}
	d.out.line("mark", num("offset", offset))
	return nil
}

func (d *dumper) offsetEntry(f []string) bool {
	if len(f) != 3 {
		return false
	}
	partition, err1 := strconv.ParseInt(f[1], 10, 32)
	offset, err2 := strconv.ParseInt(f[2], 10, 64)
	if err1 != nil || err2 != nil {
		return false
	}
	d.out.line("entry", text("topic", f[0]), num("partition", partition), num("offset", offset))
	return true
}

func (d *dumper) epochEntry(f []string) bool {
	if len(f) != 2 {
		return false
	}
	epoch, err1 := strconv.ParseInt(f[0], 10, 32)
	start, err2 := strconv.ParseInt(f[1], 10, 64)
	if err1 != nil || err2 != nil {
		return false
	}
	d.out.line("entry", num("epoch", epoch), num("startOffset", start))
	return true
}

// lines reads lines and knows at which byte the one read last begins.
type lines struct {
	r       *bufio.Reader
	at, end int64
}

func (l *lines) next() (string, error) {
	b, err := l.r.ReadSlice('\n')
	l.at, l.end = l.end, l.end+int64(len(b))
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", broken(l.at, "a line longer than %d bytes", maxLine)
	case errors.Is(err, io.EOF) && len(b) > 0:
		err = nil
	case err != nil && !errors.Is(err, io.EOF):
		return "", broken(l.at, "%v", err)
	}
	return strings.TrimSuffix(string(b), "\n"), err
}

func (l *lines) number() (int64, error) {
	line, err := l.next()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(line, 10, 64)
}
