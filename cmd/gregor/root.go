package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newRootCommand() *cobra.Command {
	dev := devOptions{}
	root := &cobra.Command{
		Use:   "gregor",
		Short: "A server that speaks Kafka's protocol",
		Long: `gregor is a Kafka broker and KRaft controller in one binary.

Without a command it runs a development node: broker and controller in one,
on localhost:9092, reachable from this machine only, with its data in
./gregor-data, formatted if it is new.`,
		Example: `  gregor
  gregor --data /tmp/try --listen localhost:19092 --override num.partitions=3`,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return runDev(cmd.Context(), dev) },
	}
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.Flags().StringVar(&dev.data, "data", "gregor-data", "folder for the development node's data")
	root.Flags().StringVar(&dev.listen, "listen", "localhost:9092", "address the development node listens on")
	root.Flags().StringArrayVar(&dev.overrides, "override", nil, "`key=value`: a configuration property to set; may be given several times")
	dev.logs.register(root.Flags())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServerCommand(), newFormatCommand(), newRandomUUIDCommand(), newVersionCommand(), newGroupCommand(), newDumpCommand(), newCheckCommand())
	return root
}

// noArgs takes flags and nothing else; of a command that has commands, what comes
// first is the name of one.
func noArgs(cmd *cobra.Command, args []string) error {
	err := cobra.NoArgs(cmd, args)
	if err == nil {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); cmd.HasSubCommands() && len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return usageError{err}
}
