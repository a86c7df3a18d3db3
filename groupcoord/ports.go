package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Log is the partition log of __consumer_offsets, see runtime.Log.
type Log = runtime.Log

// Clock is the time the coordinator lives by, see runtime.Clock.
type Clock = runtime.Clock

// Topics tells what topics exist, as this broker's metadata image has it.
// Its methods are called from many goroutines at once.
type Topics interface {
	// IDOf is the id of the topic of this name; false when there is none.
	IDOf(name string) (ids.TopicID, bool)
	// NameOf is the name of the topic with this id; false when there is none.
	NameOf(id ids.TopicID) (string, bool)
	// Partitions is the number of partitions of the topic of this name, 0 when there is none.
	Partitions(name string) int32
}

// Caller is who sent a request, as far as groups care: both texts are kept with
// the member, written to the log and shown by DescribeGroups.
type Caller struct {
	ClientID string
	Host     string // "/" and the address, as Kafka writes it: "/127.0.0.1"
	// Hold is asked before a heartbeat is held; nil: none may be. It keeps release,
	// to call it at most once, from any goroutine, when anything else arrives on the
	// connection, it closes, or the server stops. False: answer now.
	Hold func(release func()) bool
}

// DeletedTopic is a topic that is gone: its committed offsets go too.
type DeletedTopic struct {
	Name string
	ID   ids.TopicID
}
