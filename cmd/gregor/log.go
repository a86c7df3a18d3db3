package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gregorbroker/gregor/broker/api"
)

// logOptions are the flags that every command which runs a node has.
type logOptions struct{ format, level string }

func (o *logOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.format, "log-format", "text", "text or json")
	f.StringVar(&o.level, "log-level", "info", "debug, info, warn or error")
}

// The loggers that a node has besides root: their levels can be altered while
// it runs (kafka-configs --entity-type broker-loggers).
const (
	controllerLogger = "controller"
	brokerLogger     = "broker"
)

// logs is the node's log and the levels it is held to.
type logs struct {
	*zap.Logger
	levels *api.LogLevels
}

// logger writes one line a state change to w.
func (o logOptions) logger(w io.Writer) (logs, error) {
	level, err := zapcore.ParseLevel(o.level)
	if err != nil {
		return logs{}, usageError{fmt.Errorf("--log-level %q: write debug, info, warn or error", o.level)}
	}
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = func(t time.Time, e zapcore.PrimitiveArrayEncoder) {
		e.AppendString(t.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	var enc zapcore.Encoder
	switch o.format {
	case "text":
		cfg.EncodeLevel = zapcore.CapitalLevelEncoder
		cfg.ConsoleSeparator = " "
		enc = zapcore.NewConsoleEncoder(cfg)
	case "json":
		enc = zapcore.NewJSONEncoder(cfg)
	default:
		return logs{}, usageError{fmt.Errorf("--log-format %q: write text or json", o.format)}
	}
	levels := api.NewLogLevels(level, controllerLogger, brokerLogger)
	core := zapcore.NewCore(enc, zapcore.Lock(zapcore.AddSync(w)), zapcore.DebugLevel)
	return logs{zap.New(levels.Wrap(core)), levels}, nil
}
