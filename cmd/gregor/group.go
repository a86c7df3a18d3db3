package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gregorbroker/gregor/cmd/gregor/group"
)

// askTimeout bounds one question of a client command to the cluster.
const askTimeout = 30 * time.Second

// clientOptions are the flags of every command that is a client of a cluster.
type clientOptions struct {
	brokers []string
	output  string
}

func (o *clientOptions) register(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringSliceVarP(&o.brokers, "bootstrap-server", "b", []string{"localhost:9092"}, "brokers to `ask`: host:port, comma separated")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
}

// client checks the flags and connects lazily.
func (o *clientOptions) client() (*kgo.Client, error) {
	if _, err := wantsJSON(o.output); err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(o.brokers...), kgo.ClientID("gregor-cli"), kgo.RetryTimeout(askTimeout))
	if err != nil {
		return nil, usageError{err}
	}
	return cl, nil
}

func newGroupCommand() *cobra.Command {
	var o clientOptions
	cmd := &cobra.Command{
		Use: "group", Short: "Look at consumer groups: state, lag, and why they rebalanced", Args: noArgs,
		Example: `  gregor group list -b broker:9092
  gregor group describe payments -b broker:9092`,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SuggestionsMinimumDistance: 2,
	}
	o.register(cmd)
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the groups of a cluster", Args: noArgs,
			Example: "  gregor group list -b broker:9092 -o json",
			RunE:    func(cmd *cobra.Command, _ []string) error { return listGroups(cmd, &o) },
		},
		&cobra.Command{
			Use: "describe GROUP...", Short: "State, members, lag and the last rebalances of groups",
			Example: `  gregor group describe payments -b broker:9092
  gregor group describe payments -b broker:9092 -o json | jq .lag`,
			Args: func(_ *cobra.Command, args []string) error {
				if len(args) == 0 {
					return usageError{errors.New("name a group: gregor group describe GROUP ('gregor group list' names them)")}
				}
				return nil
			},
			RunE: func(cmd *cobra.Command, args []string) error { return describeGroups(cmd, &o, args) },
		})
	return cmd
}

func describeGroups(cmd *cobra.Command, o *clientOptions, names []string) error {
	cl, err := o.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	var reports []*group.Report
	for _, name := range names {
		r, err := group.Describe(cmd.Context(), cl, name)
		if err != nil {
			return clusterError(o, err)
		}
		reports = append(reports, r)
	}
	if o.output == "json" {
		return group.PrintJSON(cmd.OutOrStdout(), reports)
	}
	return group.Print(cmd.OutOrStdout(), reports, time.Now())
}

func listGroups(cmd *cobra.Command, o *clientOptions) error {
	cl, err := o.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	list, err := group.List(cmd.Context(), cl)
	if err != nil {
		return clusterError(o, err)
	}
	if o.output == "json" {
		return group.PrintListJSON(cmd.OutOrStdout(), list)
	}
	return group.PrintList(cmd.OutOrStdout(), list)
}

// clusterError names the brokers that did not answer as they should.
func clusterError(o *clientOptions, err error) error {
	return fmt.Errorf("%s: %w", strings.Join(o.brokers, ","), err)
}
