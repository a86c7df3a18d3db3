package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/cmd/gregor/config"
)

func newServerCommand() *cobra.Command {
	var overrides []string
	opts := logOptions{}
	cmd := &cobra.Command{
		Use:   "server FILE [--override key=value]...",
		Short: "Run a node as server.properties says",
		Example: `  gregor server /etc/kafka/server.properties
  gregor server server.properties --override log.retention.hours=24 --log-format json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("name one configuration file: gregor server FILE")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			log, err := opts.logger(cmd.OutOrStdout())
			if err != nil {
				return err
			}
			props, err := config.ReadFile(args[0])
			if err != nil {
				return err
			}
			if err := config.Override(props, overrides); err != nil {
				return usageError{err}
			}
			node, err := config.Load(props)
			if err != nil {
				return oneLine(args[0], err)
			}
			return serve(cmd.Context(), node, config.Warnings(props), log)
		},
	}
	cmd.Flags().StringArrayVar(&overrides, "override", nil, "`key=value`: a property to set instead of the file's; may be given several times")
	opts.register(cmd.Flags())
	return cmd
}

// errToldToStop ends a start that a signal has overtaken.
var errToldToStop = errors.New("told to stop before the node had started")

// serve runs the node until it is told to stop or can't go on.
func serve(ctx context.Context, node *config.Node, warnings []string, log logs) error {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, forget := stopOnSignal(ctx, log.Logger)
	defer forget()

	s, err := start(ctx, node, warnings, log)
	if errors.Is(err, errToldToStop) {
		log.Info("Stopped before the start was over")
		return nil
	}
	if err != nil {
		return err
	}
	var failed error
	select {
	case failed = <-s.failed:
		log.Error("Shutting down because the node cannot go on", zap.Error(failed))
	case <-ctx.Done():
	}
	if err := s.stop(); err != nil && failed == nil {
		failed = fmt.Errorf("shutdown: %w", err)
	}
	if failed == nil {
		log.Info("Stopped")
	}
	return failed
}
