package twin

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// folder is the log directory that the broker names as the first.
func (r *Run) folder() string {
	req := logDirs()
	req.Version = 4
	dirs := r.Do(req).(*kmsg.DescribeLogDirsResponse).Dirs
	if len(dirs) == 0 {
		panic(setupFailed{fmt.Errorf("no log directory is named")})
	}
	return dirs[0].Dir
}

// movingTo asks to move partitions, "topic" or "topic/partition", to a directory.
func movingTo(dir string, what ...string) *kmsg.AlterReplicaLogDirsRequest {
	req := kmsg.NewPtrAlterReplicaLogDirsRequest()
	return alsoMoving(req, dir, what...)
}

func alsoMoving(req *kmsg.AlterReplicaLogDirsRequest, dir string, what ...string) *kmsg.AlterReplicaLogDirsRequest {
	d := kmsg.NewAlterReplicaLogDirsRequestDir()
	d.Dir = dir
	for _, w := range what {
		name, number, _ := strings.Cut(w, "/")
		partition := int32(0)
		if _, err := fmt.Sscan(number, &partition); number != "" && err != nil {
			panic(err)
		}
		t := kmsg.NewAlterReplicaLogDirsRequestDirTopic()
		t.Topic, t.Partitions = name, []int32{partition}
		d.Topics = append(d.Topics, t)
	}
	req.Dirs = append(req.Dirs, d)
	return req
}

func moveScripts() []Script {
	return []Script{
		{Key: 34, Name: "to where it lies", Run: func(r *Run) { r.Send(movingTo(r.folder(), filled(r))) }},
		{Key: 34, Name: "to where it lies, without a record", Run: func(r *Run) { r.Send(movingTo(r.folder(), r.Topic("t", 1))) }},
		{Key: 34, Name: "to a directory that is none of the broker's", Run: func(r *Run) { r.Send(movingTo("/nowhere", filled(r))) }},
		{Key: 34, Name: "to a relative path", Run: func(r *Run) { r.Send(movingTo("nowhere", filled(r))) }},
		{Key: 34, Name: "to no path", Run: func(r *Run) { r.Send(movingTo("", filled(r))) }},
		{Key: 34, Name: "unknown topic", Run: func(r *Run) { r.Send(movingTo(r.folder(), r.Name("none"))) }},
		{Key: 34, Name: "unknown topic to a directory that is none", Run: func(r *Run) { r.Send(movingTo("/nowhere", r.Name("none"))) }},
		{Key: 34, Name: "partition out of range", Run: func(r *Run) { r.Send(movingTo(r.folder(), filled(r)+"/7")) }},
		{Key: 34, Name: "negative partition", Run: func(r *Run) { r.Send(movingTo(r.folder(), filled(r)+"/-1")) }},
		{Key: 34, Name: "invalid name", Run: func(r *Run) { r.Send(movingTo(r.folder(), "bad:name")) }},
		{Key: 34, Name: "name too long for a copy", Run: func(r *Run) { r.Send(movingTo(r.folder(), strings.Repeat("l", 249))) }},
		{Key: 34, Name: "a partition under two directories", Run: func(r *Run) {
			t := filled(r)
			r.Send(alsoMoving(movingTo("/nowhere", t), r.folder(), t))
		}},
		{Key: 34, Name: "two partitions of a topic", Run: func(r *Run) { r.Send(movingTo(r.folder(), r.Topic("t", 2), r.Name("t")+"/1")) }},
		{Key: 34, Name: "the metadata partition", Run: func(r *Run) { r.Send(movingTo(r.folder(), "__cluster_metadata")) }},
		{Key: 34, Name: "a directory without topics", Run: func(r *Run) { r.Send(movingTo(r.folder())) }},
		{Key: 34, Name: "nothing", Run: func(r *Run) { r.Send(kmsg.NewPtrAlterReplicaLogDirsRequest()) }},
	}
}
