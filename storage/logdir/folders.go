package logdir

import "github.com/gregorbroker/gregor/protocol/ids"

// What a partition's folder is besides the partition itself, from its name.
const (
	InUse   = ""
	Deleted = deleteSuffix // on its way out
	Stray   = straySuffix  // set aside: the metadata knows nothing of it
	Future  = futureSuffix // a copy that was being made for a move
)

// ParseName takes the name of a partition's folder apart; state is one of the
// constants above. A deleted or stray folder's topic may be cut short. ok is
// false for names that no partition's folder has.
func ParseName(name string) (tp ids.TopicPartition, state string, ok bool) { return parseName(name) }
