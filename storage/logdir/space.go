package logdir

import (
	"fmt"

	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/partlog"
)

// Reserve is the free space below which a directory takes no more records of
// clients: 1 % of the disk, at least 32 MiB and at most 1 GiB, and of a disk so
// small that this would be most of it an eighth. Half of it is for what must go
// on when clients have filled the disk and what shall go on as long as it can:
// group commits and transaction markers. The rest is for what frees room or
// keeps it true: indexes, checkpoints, compaction, the metadata log.
func Reserve(total int64) int64 {
	return min(max(total/100, 32<<20), 1<<30, total/8)
}

// watchSpace compares the free space with the reserve. What was refused is taken
// again when there is a quarter more than the reserve, so that a disk at the edge
// does not flicker.
func (s *Set) watchSpace(d *Dir) {
	free, total, err := d.Space()
	if err != nil {
		if ioFailure(err) {
			s.FailDir(d, err)
		}
		return
	}
	reserve := Reserve(total)
	level := d.room.Level()
	switch {
	case free < reserve/2:
		level = partlog.RoomForNone
	case free < reserve:
		level = max(level, partlog.RoomForFew)
		if level == partlog.RoomForNone && free > reserve/2+reserve/8 {
			level = partlog.RoomForFew
		}
	case free > reserve+reserve/4:
		level = partlog.RoomForAll
	default:
		level = min(level, partlog.RoomForFew)
	}
	d.room.Expect(free-reserve, free-reserve/2)
	was := d.room.Set(level)
	if was == level || s.o.Env.Warn == nil {
		return
	}
	cause := fmt.Errorf("%s: %d of %d bytes are free", d.Path, free, total)
	switch level {
	case partlog.RoomForAll:
		s.o.Env.Warn(ids.TopicPartition{}, "a log directory has room again and takes records", cause)
	case partlog.RoomForFew:
		s.o.Env.Warn(ids.TopicPartition{}, "a log directory is nearly full and takes no more records of clients until there is room: delete topics or records, lower retention, or add space", cause)
	case partlog.RoomForNone:
		s.o.Env.Warn(ids.TopicPartition{}, "a log directory is full and takes no more records at all until there is room: delete topics or records, lower retention, or add space", cause)
	}
}
