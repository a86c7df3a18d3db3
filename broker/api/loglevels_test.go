package api

import (
	"fmt"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestLogLevels(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	levels := NewLogLevels(zapcore.InfoLevel, "raft")
	log := zap.New(levels.Wrap(core)).With(zap.Int("node", 1))
	raft := log.Named("raft")
	say := func() int {
		log.Debug("d")
		log.Info("i")
		raft.Debug("d")
		raft.Warn("w")
		return len(logs.TakeAll())
	}
	for _, step := range []struct {
		do     func()
		want   int
		levels string
	}{
		{func() {}, 2, "map[raft:INFO root:INFO]"},
		{func() { levels.SetLevel("raft", "TRACE") }, 3, "map[raft:TRACE root:INFO]"},
		{func() { levels.SetLevel("root", "ERROR") }, 2, "map[raft:TRACE root:ERROR]"},
		{func() { levels.UnsetLevel("raft") }, 0, "map[raft:ERROR root:ERROR]"},
		{func() { levels.SetLevel("root", "DEBUG") }, 4, "map[raft:DEBUG root:DEBUG]"},
		{func() { levels.SetLevel("root", "FATAL") }, 0, "map[raft:FATAL root:FATAL]"},
	} {
		step.do()
		if got := say(); got != step.want || fmt.Sprint(levels.Levels()) != step.levels {
			t.Errorf("%d lines at %v, want %d at %s", got, levels.Levels(), step.want, step.levels)
		}
	}
}
