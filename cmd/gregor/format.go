package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gregorbroker/gregor/cmd/gregor/config"
	"github.com/gregorbroker/gregor/cmd/gregor/format"
	"github.com/gregorbroker/gregor/controller/raft"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
)

// formatFlags are kafka-storage format's.
type formatFlags struct {
	config, clusterID, release, initial    string
	scram, features                        []string
	ignoreFormatted, standalone, noInitial bool
}

func newFormatCommand() *cobra.Command {
	f := formatFlags{}
	cmd := &cobra.Command{
		Use:   "format -c FILE -t CLUSTER_ID",
		Short: "Prepare a node's directories, as kafka-storage format does",
		Example: `  gregor format -c server.properties -t $(gregor random-uuid) --standalone
  gregor format -c server.properties -t 5L6g3nShT-eMCtK--X86sw --initial-controllers 1@a:9093:<directory id>,2@b:9093:<directory id>`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.OutOrStdout()) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.config, "config", "c", "", "the node's server.properties (required)")
	fl.StringVarP(&f.clusterID, "cluster-id", "t", "", "`id` of the cluster (required); gregor random-uuid makes one")
	fl.BoolVarP(&f.ignoreFormatted, "ignore-formatted", "g", false, "skip directories that are formatted instead of failing")
	fl.StringVarP(&f.release, "release-version", "r", "", "metadata.version to start with, such as 4.2 (default: the newest)")
	fl.StringArrayVarP(&f.features, "feature", "f", nil, "`name=level` of a feature to start with; may be given several times")
	fl.StringArrayVarP(&f.scram, "add-scram", "S", nil, "a SCRAM `credential`: SCRAM-SHA-256=[name=alice,password=…]; may be given several times")
	fl.BoolVarP(&f.standalone, "standalone", "s", false, "start a quorum of this controller alone")
	fl.BoolVarP(&f.noInitial, "no-initial-controllers", "N", false, "join a dynamic quorum later")
	fl.StringVarP(&f.initial, "initial-controllers", "I", "", "the quorum's first `voters`: id@host:port:directory-id, comma separated")
	return cmd
}

func (f formatFlags) run(out io.Writer) error {
	if f.config == "" {
		return usageError{errors.New("say which configuration with -c FILE")}
	}
	if f.clusterID == "" {
		return usageError{errors.New("say which cluster with -t CLUSTER_ID; `gregor random-uuid` makes a new id")}
	}
	if f.standalone && f.noInitial || f.standalone && f.initial != "" || f.noInitial && f.initial != "" {
		return usageError{errors.New("say one of --standalone, --initial-controllers and --no-initial-controllers")}
	}
	props, err := config.ReadFile(f.config)
	if err != nil {
		return err
	}
	node, err := config.Load(props)
	if err != nil {
		return oneLine(f.config, err)
	}
	o, err := f.options(node)
	if err != nil {
		return err
	}
	return format.Run(o, out)
}

func (f formatFlags) options(node *config.Node) (format.Options, error) {
	o := format.Options{
		FS: vfs.OS, NodeID: node.ID, ClusterID: f.clusterID, Dirs: node.AllDirs(), MetadataDir: node.MetadataDir,
		IgnoreFormatted: f.ignoreFormatted, Rand: rand.Reader, Now: time.Now(),
	}
	var err error
	if o.Voters, err = f.voters(node); err != nil {
		return o, err
	}
	given, err := format.ParseFeatures(f.features)
	if err != nil {
		return o, usageError{err}
	}
	if o.Levels, err = format.NewLevels(given, f.release, len(node.Voters) == 0); err != nil {
		return o, err
	}
	o.Scram, err = f.credentials(o.Levels)
	return o, err
}

func (f formatFlags) credentials(l format.Levels) ([]records.Record, error) {
	if len(f.scram) > 0 && !l.MetadataVersion().SupportsScram() {
		return nil, errors.New("SCRAM is only supported in metadata.version 3.5-IV2 or later")
	}
	var out []records.Record
	for _, arg := range f.scram {
		r, err := format.ParseScram(arg, rand.Reader)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// voters is the initial voter set that the flags ask for.
func (f formatFlags) voters(node *config.Node) ([]raft.Voter, error) {
	static := len(node.Voters) > 0
	switch {
	case static && (f.standalone || f.initial != ""):
		return nil, errors.New("controller.quorum.voters makes the quorum static: remove it and set controller.quorum.bootstrap.servers, or format without --standalone and --initial-controllers")
	case f.initial != "":
		return format.ParseVoters(f.initial, node.ControllerNames[0])
	case f.standalone && !node.Controller:
		return nil, errors.New("--standalone is for controllers: add controller to process.roles")
	case f.standalone:
		return format.Standalone(node.ID, controllerEndpoint(node), rand.Reader)
	case node.Controller && !static && !f.noInitial:
		return nil, errors.New("controller.quorum.voters is not set on this controller: say --standalone, --initial-controllers or --no-initial-controllers")
	}
	return nil, nil
}

// controllerEndpoint is how other nodes reach this one's first controller listener.
func controllerEndpoint(node *config.Node) raft.Endpoint {
	e := node.ControllerAdvertised[0]
	return raft.Endpoint{Name: e.Name, Host: orLocalhost(e), Port: uint16(e.Port)}
}

func orLocalhost(e configs.Endpoint) string {
	if e.Host == "" {
		return "localhost"
	}
	return e.Host
}

func newRandomUUIDCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "random-uuid",
		Short:   "Print a new id, for a cluster or a directory",
		Example: "  gregor format -c server.properties -t $(gregor random-uuid) --standalone",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			u, err := ids.RandomUUID(rand.Reader)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), u)
			return err
		},
	}
}

// oneLine names the file in front of an error about what it says; several
// errors stay a line each.
func oneLine(file string, err error) error {
	var b bytes.Buffer
	b.WriteString(file)
	b.WriteString(": ")
	b.WriteString(err.Error())
	return errors.New(b.String())
}
