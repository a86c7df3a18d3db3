package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gregorbroker/gregor/cmd/gregor/dump"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// dumpFlags are ours and, where they cost nothing, those of kafka-dump-log.
type dumpFlags struct {
	output, decoder    string
	records, printData bool
	files              []string
	theirs             map[dump.Decoder]*bool // kafka-dump-log's way to name a decoder
}

func newDumpCommand() *cobra.Command {
	f := dumpFlags{}
	cmd := &cobra.Command{
		Use:   "dump FILE|DIR...",
		Short: "Print the files of a data folder, offline",
		Long: `Prints segments, indexes, snapshots, checkpoints and the other files of a data
folder, Kafka's or gregor's, one line an entry. Nothing is written. Damaged files
are printed as far as they can be read; the exit code is then 1.

In JSON (-o json) every line is one object with the members "file" and "kind".
Keys and values that are not text have the name's ending Base64.`,
		Example: `  gregor dump /var/lib/kafka/data/orders-0/00000000000000000000.log --records
  gregor dump /var/lib/kafka/data/__cluster_metadata-0 --records -o json | jq 'select(.type=="TopicRecord").data.name'`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, append(f.files, args...)) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.output, "output", "o", "text", "text or json")
	fl.BoolVarP(&f.records, "records", "r", false, "with the records of every batch")
	fl.StringVar(&f.decoder, "decoder", "", "what the records are: `plain`, metadata, groups, transactions or shares (default: as the partition's folder is named)")
	fl.StringSliceVar(&f.files, "files", nil, "comma-separated files, as kafka-dump-log takes them")
	fl.BoolVar(&f.printData, "print-data-log", false, "the same as --records")
	fl.Bool("deep-iteration", false, "accepted for kafka-dump-log's sake; checksums are always verified")
	f.theirs = map[dump.Decoder]*bool{}
	for d, name := range map[dump.Decoder]string{dump.Metadata: "cluster-metadata", dump.Groups: "offsets", dump.Transactions: "transaction-log", dump.Shares: "share-group-state"} {
		f.theirs[d] = fl.Bool(name+"-decoder", false, "the same as --records --decoder "+string(d))
	}
	fl.VisitAll(func(x *pflag.Flag) {
		x.Hidden = x.Name == "files" || x.Name == "print-data-log" || x.Name == "deep-iteration" || strings.HasSuffix(x.Name, "-decoder")
	})
	return cmd
}

func (f dumpFlags) run(cmd *cobra.Command, paths []string) error {
	if len(paths) == 0 {
		return usageError{errors.New("name a file or folder: gregor dump FILE|DIR...")}
	}
	asJSON, err := wantsJSON(f.output)
	if err != nil {
		return err
	}
	o := dump.Options{JSON: asJSON, Records: f.records || f.printData, Decoder: dump.Decoder(f.decoder)}
	for d, said := range f.theirs {
		if *said {
			o.Records, o.Decoder = true, d
		}
	}
	if o.Decoder != dump.ByFolder && !slices.Contains(dump.Decoders, o.Decoder) {
		return usageError{fmt.Errorf("--decoder %q: write one of %v", f.decoder, dump.Decoders)}
	}
	damaged, err := dump.Run(vfs.OS, paths, o, cmd.OutOrStdout())
	if err == nil && damaged > 0 {
		err = fmt.Errorf("%d damaged places, see the lines of the kind damage", damaged)
	}
	return err
}

// wantsJSON reads the value of --output.
func wantsJSON(output string) (bool, error) {
	if output != "text" && output != "json" {
		return false, usageError{fmt.Errorf("--output %q: write text or json", output)}
	}
	return output == "json", nil
}
