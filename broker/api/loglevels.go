package api

import (
	"maps"
	"slices"
	"sync"

	"go.uber.org/zap/zapcore"
)

// LogLevels are log levels that can be altered while the process runs. Wrap
// puts them before a core. A logger has its own level, or root's.
type LogLevels struct {
	mu    sync.RWMutex
	root  string
	own   map[string]string // by logger
	names []string          // loggers that exist, root apart
	least zapcore.Level     // lowest of all, so that most lines cost one comparison
}

// NewLogLevels starts with every logger at level. names are the loggers of the
// process (zap.Logger.Named), besides root.
func NewLogLevels(level zapcore.Level, names ...string) *LogLevels {
	l := &LogLevels{own: map[string]string{}, names: slices.Sorted(slices.Values(names))}
	l.SetLevel(rootLogger, kafkaLevel(level))
	return l
}

// Levels implements Loggers.
func (l *LogLevels) Levels() map[string]string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := map[string]string{rootLogger: l.root}
	for _, name := range l.names {
		out[name] = l.root
	}
	maps.Copy(out, l.own)
	return out
}

// SetLevel implements Loggers.
func (l *LogLevels) SetLevel(logger, level string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if logger == rootLogger {
		l.root = level
	} else {
		l.own[logger] = level
	}
	l.findLeast()
}

// UnsetLevel implements Loggers.
func (l *LogLevels) UnsetLevel(logger string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.own, logger)
	l.findLeast()
}

func (l *LogLevels) findLeast() {
	l.least = zapLevel(l.root)
	for _, level := range l.own {
		l.least = min(l.least, zapLevel(level))
	}
}

func (l *LogLevels) enabled(logger string, level zapcore.Level) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if own, ok := l.own[logger]; ok {
		return level >= zapLevel(own)
	}
	return level >= zapLevel(l.root)
}

// kafkaLevel is a level in the words of KIP-412.
func kafkaLevel(level zapcore.Level) string {
	switch {
	case level < zapcore.InfoLevel:
		return "DEBUG"
	case level == zapcore.InfoLevel:
		return "INFO"
	case level == zapcore.WarnLevel:
		return "WARN"
	case level == zapcore.ErrorLevel:
		return "ERROR"
	}
	return "FATAL"
}

func zapLevel(word string) zapcore.Level {
	switch word {
	case "TRACE", "DEBUG":
		return zapcore.DebugLevel
	case "WARN":
		return zapcore.WarnLevel
	case "ERROR":
		return zapcore.ErrorLevel
	case "FATAL":
		return zapcore.FatalLevel
	}
	return zapcore.InfoLevel
}

// Wrap makes core obey the levels; core itself must let everything through.
func (l *LogLevels) Wrap(core zapcore.Core) zapcore.Core { return &leveled{core, l} }

type leveled struct {
	zapcore.Core
	levels *LogLevels
}

// Enabled implements zapcore.Core: whether any logger takes the level.
func (c *leveled) Enabled(level zapcore.Level) bool {
	c.levels.mu.RLock()
	defer c.levels.mu.RUnlock()
	return level >= c.levels.least
}

// With implements zapcore.Core.
func (c *leveled) With(fields []zapcore.Field) zapcore.Core {
	return &leveled{c.Core.With(fields), c.levels}
}

// Check implements zapcore.Core.
func (c *leveled) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.levels.enabled(e.LoggerName, e.Level) {
		return to
	}
	return c.Core.Check(e, to)
}
