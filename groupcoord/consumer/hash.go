package consumer

import (
	"encoding/binary"
	"slices"
	"unicode/utf16"

	"github.com/zeebo/xxh3"
)

// The hash tells whether the topics that a group subscribes to are what they were
// when it was last assigned. It is XXH3 with 64 bits, over little-endian numbers:
//
//	group:  for each topic that exists, by name: int64 hash of the topic; 0 without topics
//	topic:  int8 0 | int64 id (its first half) | int64 id (its second half) | string name | int32 partitions |
//	        for each partition: int32 number | for each rack of a replica, in order: int32 length | string rack
//	string: UTF-16 units, int32 their number

// hashOf is the hash of a group that subscribes to these topics.
func (gs *Groups) hashOf(names *Set, img Image) int64 {
	var buf []byte
	for _, name := range names.names {
		h, known := gs.hashes[name]
		if !known {
			t, exists := img.Topic(name)
			if !exists {
				continue
			}
			h = hashTopic(t, img)
			gs.hashes[name] = h
		}
		buf = binary.LittleEndian.AppendUint64(buf, uint64(h))
	}
	if len(buf) == 0 {
		return 0
	}
	return int64(xxh3.Hash(buf))
}

func hashTopic(t Topic, img Image) int64 {
	buf := []byte{0}
	buf = binary.LittleEndian.AppendUint64(buf, binary.BigEndian.Uint64(t.ID[:8]))
	buf = binary.LittleEndian.AppendUint64(buf, binary.BigEndian.Uint64(t.ID[8:]))
	buf = appendChars(buf, t.Name)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(t.Partitions))
	for p := range t.Partitions {
		buf = binary.LittleEndian.AppendUint32(buf, uint32(p))
		racks := slices.Clone(img.Racks(t.Name, p))
		slices.Sort(racks)
		for _, r := range racks {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(len(utf16.Encode([]rune(r)))))
			buf = appendChars(buf, r)
		}
	}
	return int64(xxh3.Hash(buf))
}

func appendChars(buf []byte, s string) []byte {
	units := utf16.Encode([]rune(s))
	for _, u := range units {
		buf = binary.LittleEndian.AppendUint16(buf, u)
	}
	return binary.LittleEndian.AppendUint32(buf, uint32(len(units)))
}

// TopicsChanged says that topics were made, changed or deleted: their groups look
// at them again, at once. created is whether one of them is new.
func (gs *Groups) TopicsChanged(names []string, created bool, at Moment) {
	for _, name := range names {
		delete(gs.hashes, name)
	}
	if created {
		gs.newTopics = at.Image.Version()
	}
	for _, id := range gs.IDs() {
		g := gs.byID[id]
		if slices.ContainsFunc(names, g.Subscribed) {
			g.forgetHash()
			gs.assignAt(g, at.Now)
		}
		if created && len(g.regexes) > 0 {
			gs.matchSoon(g, at.Now)
		}
	}
}
