// Package dump prints the files of a data directory, all of them Kafka's, as
// text or as JSON, one object a line. It only reads, and works on folders
// that no server uses as well as on copies and on damaged files.
//
// The flow: Run goes through what it was given, folders in the order of their
// names; file looks at a file's name and picks one of the readers, each of
// which walks its file from the first byte to the last and hands one line an
// entry to the printer. A reader that meets damage says what is wrong at which
// byte, in a line of the kind "damage", and goes on where the format lets it:
// behind a batch whose checksum fails, but not behind a length that is not one.
//
// Memory is bounded by one batch (maxBatch) with records, and by a few buffers
// without; no file is read as a whole but those of one line.
//
// What is a secret in a file stays one: stored keys of SCRAM credentials and
// values of configuration keys of type password print as [hidden].
package dump

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/epochs"
	"github.com/gregorbroker/gregor/storage/logdir"
	"github.com/gregorbroker/gregor/storage/partlog"
	"github.com/gregorbroker/gregor/storage/segment"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// Decoder names what the records of a log mean.
type Decoder string

// The decoders. By default the name of a partition's folder chooses.
const (
	ByFolder     Decoder = ""
	Plain        Decoder = "plain"        // keys and values as they are
	Metadata     Decoder = "metadata"     // __cluster_metadata and snapshots of it
	Groups       Decoder = "groups"       // __consumer_offsets
	Transactions Decoder = "transactions" // __transaction_state
	Shares       Decoder = "shares"       // __share_group_state
)

// Options say what is printed.
type Options struct {
	JSON    bool
	Records bool // with the records of every batch
	Decoder Decoder
}

// Decoders are those that may be asked for.
var Decoders = []Decoder{Plain, Metadata, Groups, Transactions, Shares}

// ErrUnknownFile: the name says of no format of Kafka's.
var ErrUnknownFile = errors.New("not a file of a data folder")

// Run dumps the files and folders named by paths to w and returns how much
// damage it met. Its error is one of finding a file or of writing to w.
func Run(fsys vfs.FS, paths []string, o Options, w io.Writer) (damaged int, err error) {
	d := &dumper{fs: fsys, o: o, out: newPrinter(w, o.JSON)}
	for _, p := range paths {
		if err = d.path(p); err != nil {
			break
		}
	}
	if unwritten := d.out.flush(); unwritten != nil {
		err = unwritten // what the reading ended with, if it was not this, nobody can see
	}
	return d.damaged, err
}

type dumper struct {
	fs      vfs.FS
	o       Options
	out     *printer
	damaged int
}

// path dumps a file, or a folder and what lies below it.
func (d *dumper) path(p string) error {
	info, err := d.fs.Stat(p)
	switch {
	case err != nil:
		return err
	case info.IsDir:
		return d.folder(p)
	}
	return d.file(p)
}

// folder dumps what it knows in a folder and below; of other files it says the name.
func (d *dumper) folder(dir string) error {
	names, err := d.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range names {
		p := path.Join(dir, e.Name)
		if e.IsDir {
			err = d.folder(p)
		} else if err = d.file(p); errors.Is(err, ErrUnknownFile) {
			d.out.begin(p)
			d.out.line("other")
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return d.out.err
}

// reader walks one kind of file.
type reader func(d *dumper, f vfs.File, size int64) error

// file dumps one file. What is wrong with its contents is told in its lines;
// the error is one of opening it or of writing what was read.
func (d *dumper) file(name string) error {
	read, ok := readerFor(path.Base(name))
	if !ok {
		return fmt.Errorf("%s: %w", name, ErrUnknownFile)
	}
	f, err := d.fs.OpenFile(name, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	d.out.begin(name)
	var bad *damage
	if err := read(d, f, size); errors.As(err, &bad) {
		d.tell(bad)
	} else if err != nil {
		return err
	}
	return d.out.err
}

// damage is what ends the reading of a file.
type damage struct {
	pos    int64
	reason string
}

func (e *damage) Error() string { return fmt.Sprintf("byte %d: %s", e.pos, e.reason) }

func broken(pos int64, format string, args ...any) error {
	return &damage{pos, fmt.Sprintf(format, args...)}
}

// tell prints a damage line.
func (d *dumper) tell(b *damage) {
	d.damaged++
	d.out.line("damage", num("position", b.pos), text("problem", b.reason))
}

// texts are the files with a name of their own.
var named = map[string]reader{
	logdir.MetaFile:                (*dumper).properties,
	logdir.CleanFile:               (*dumper).json,
	quorumState:                    (*dumper).json,
	"high-watermark":               (*dumper).mark,
	partlog.MetadataFile:           (*dumper).partitionMetadata,
	epochs.FileName:                (*dumper).checkpoint,
	logdir.RecoveryFile:            (*dumper).checkpoint,
	logdir.StartFile:               (*dumper).checkpoint,
	logdir.ReplicationFile:         (*dumper).checkpoint,
	logdir.CleanerFile:             (*dumper).checkpoint,
	logdir.LockFile:                (*dumper).empty,
	"bootstrap" + checkpointSuffix: (*dumper).batches,
}

// bySuffix are those named after an offset.
var bySuffix = map[string]reader{
	segment.LogSuffix:      (*dumper).batches,
	segment.IndexSuffix:    (*dumper).offsetIndex,
	segment.TimeSuffix:     (*dumper).timeIndex,
	segment.TxnSuffix:      (*dumper).txnIndex,
	segment.SnapshotSuffix: (*dumper).producers,
	checkpointSuffix:       (*dumper).batches,
}

const (
	quorumState      = "quorum-state"
	checkpointSuffix = ".checkpoint"
)

// readerFor tells a file's format from its name, whatever a server that was
// working on it has put behind it.
func readerFor(name string) (reader, bool) {
	for _, tail := range []string{segment.DeletedSuffix, segment.CleanedSuffix, segment.SwapSuffix, ".tmp", ".part"} {
		name = strings.TrimSuffix(name, tail)
	}
	if r, ok := named[name]; ok {
		return r, true
	}
	if _, ok := baseOf(name); ok {
		r, ok := bySuffix[path.Ext(name)]
		return r, ok
	}
	return nil, false
}

// baseOf reads the 20 digits that a file's name begins with.
func baseOf(name string) (ids.Offset, bool) {
	if len(name) < 20 {
		return 0, false
	}
	n := int64(0)
	for _, c := range []byte(name[:20]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return ids.Offset(n), n >= 0
}
