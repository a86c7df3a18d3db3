package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

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

// serve runs the node until it is told to stop (SIGTERM, SIGINT) or can't go
// on. A second signal ends the process at once.
func serve(ctx context.Context, node *config.Node, warnings []string, log logs) error {
	if ctx == nil {
		ctx = context.Background()
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)

	s, err := start(ctx, node, warnings, log)
	if err != nil {
		return err
	}
	var failed error
	select {
	case sig := <-signals:
		log.Info("Shutting down", zap.Stringer("signal", sig))
	case failed = <-s.failed:
		log.Error("Shutting down because the node cannot go on", zap.Error(failed))
	case <-ctx.Done():
	}
	go func() {
		<-signals
		log.Warn("Second signal: ending at once, without a clean shutdown")
		os.Exit(1)
	}()
	if err := s.stop(); err != nil && failed == nil {
		failed = fmt.Errorf("shutdown: %w", err)
	}
	if failed == nil {
		log.Info("Stopped")
	}
	return failed
}
