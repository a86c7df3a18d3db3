package logdir

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// Suffixes of partition directories that are not in use under their own name:
// <topic>-<partition>.<32 hex digits><suffix>.
const (
	deleteSuffix = "-delete"
	straySuffix  = "-stray"
	futureSuffix = "-future"
)

// MetadataTopic is the metadata log's directory name without partition; it is not the broker's.
const MetadataTopic = "__cluster_metadata"

// parseName takes a partition directory's name apart. suffix is empty for a
// partition in use. ok is false for other names.
func parseName(name string) (tp ids.TopicPartition, suffix string, ok bool) {
	for _, s := range []string{deleteSuffix, straySuffix, futureSuffix} {
		if rest, found := strings.CutSuffix(name, s); found {
			if dot := strings.LastIndexByte(rest, '.'); dot > 0 && len(rest)-dot == 33 {
				name, suffix = rest[:dot], s
			}
			break
		}
	}
	dash := strings.LastIndexByte(name, '-')
	if dash <= 0 {
		return tp, "", false
	}
	n, err := strconv.ParseInt(name[dash+1:], 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != name[dash+1:] {
		return tp, "", false
	}
	return ids.TopicPartition{Topic: name[:dash], Partition: int32(n)}, suffix, true
}

// futureName is a name for the copy of a partition that moves. Unlike the
// others it must keep the whole topic's name, which a restart has to know.
func futureName(tp ids.TopicPartition) string { return tp.String() + "." + token() + futureSuffix }

// FutureNameFits tells whether a partition's name leaves room for that of its copy.
func FutureNameFits(tp ids.TopicPartition) bool {
	return len(tp.String())+1+32+len(futureSuffix) <= maxName
}

func token() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// maxName is the longest file name every file system takes.
const maxName = 255

// renamed is a new name for a partition's directory. A topic's name is cut
// where it must be, as Kafka does.
func renamed(tp ids.TopicPartition, suffix string) string {
	tail := "-" + strconv.Itoa(int(tp.Partition)) + "." + token() + suffix
	return tp.Topic[:min(len(tp.Topic), maxName-len(tail))] + tail
}
