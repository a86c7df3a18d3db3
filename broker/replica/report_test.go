package replica

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// listener is a controller that keeps what it is told.
type listener struct {
	dirs    chan *kmsg.AssignReplicasToDirsRequest
	alters  chan *kmsg.AlterPartitionRequest
	failing []error // of the next requests; kerr's are codes of the whole answer
	code    int16   // of every partition
}

func (l *listener) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	var whole *kerr.Error
	if len(l.failing) > 0 {
		err := l.failing[0]
		l.failing = l.failing[1:]
		if !errors.As(err, &whole) {
			return nil, err
		}
	}
	switch r := req.(type) {
	case *kmsg.AssignReplicasToDirsRequest:
		l.dirs <- r
		resp := r.ResponseKind().(*kmsg.AssignReplicasToDirsResponse)
		if whole != nil {
			resp.ErrorCode = whole.Code
			return resp, nil
		}
		for _, d := range r.Directories {
			out := kmsg.AssignReplicasToDirsResponseDirectory{ID: d.ID}
			for _, t := range d.Topics {
				x := kmsg.AssignReplicasToDirsResponseDirectoryTopic{TopicID: t.TopicID}
				for _, p := range t.Partitions {
					x.Partitions = append(x.Partitions, kmsg.AssignReplicasToDirsResponseDirectoryTopicPartition{Partition: p.Partition, ErrorCode: l.code})
				}
				out.Topics = append(out.Topics, x)
			}
			resp.Directories = append(resp.Directories, out)
		}
		return resp, nil
	case *kmsg.AlterPartitionRequest:
		l.alters <- r
		resp := r.ResponseKind().(*kmsg.AlterPartitionResponse)
		for _, t := range r.Topics {
			x := kmsg.AlterPartitionResponseTopic{TopidID: t.TopicID}
			for _, p := range t.Partitions {
				x.Partitions = append(x.Partitions, kmsg.AlterPartitionResponseTopicPartition{Partition: p.Partition, ErrorCode: l.code})
			}
			resp.Topics = append(resp.Topics, x)
		}
		return resp, nil
	}
	panic("unexpected request")
}

// reporting is a world whose reports go to l.
func reporting(t *testing.T, l *listener) *world {
	w := newWorld(t)
	l.dirs, l.alters = make(chan *kmsg.AssignReplicasToDirsRequest, 10), make(chan *kmsg.AlterPartitionRequest, 10)
	w.m.opts.Controller = l
	w.apply(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: int16(image.LatestMetadataVersion)},
		&records.RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 7, LogDirs: []ids.DirectoryID{homeDir}})
	w.m.stopped.Add(1)
	go w.m.reports.run()
	t.Cleanup(w.m.Close)
	return w
}

func (w *world) pending() int {
	w.m.reports.mu.Lock()
	defer w.m.reports.mu.Unlock()
	return len(w.m.reports.list)
}

func TestOpenedElsewhereIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := reporting(t, l)
		w.create("a", 1, 2, 1)
		synctest.Wait()
		if len(l.dirs) > 0 {
			t.Fatal("reported before it was opened")
		}
		w.mustAppend(tp("a", 0), 1)
		w.mustAppend(tp("a", 1), 1)
		synctest.Wait()
		var told []int32
		for len(l.dirs) > 0 {
			req := <-l.dirs
			if req.BrokerID != 1 || req.BrokerEpoch != 7 || len(req.Directories) != 1 || req.Directories[0].ID != homeDir || req.Directories[0].Topics[0].TopicID != idOf("a", 1) {
				t.Fatalf("%+v", req)
			}
			for _, p := range req.Directories[0].Topics[0].Partitions {
				told = append(told, p.Partition)
			}
		}
		if !slices.Equal(told, []int32{0, 1}) || w.pending() != 0 {
			t.Errorf("told of %v, %d left", told, w.pending())
		}
		w.apply(&records.PartitionChangeRecord{TopicID: idOf("a", 1), Leader: -2, LeaderRecoveryState: -1, Directories: []ids.DirectoryID{homeDir}})
		synctest.Wait()
		if len(l.dirs) > 0 || w.pending() > 0 {
			t.Error("told again of what the metadata says")
		}
		// An operator's tool, or a controller restored from a backup, notes another one.
		w.apply(&records.PartitionChangeRecord{TopicID: idOf("a", 1), Leader: -2, LeaderRecoveryState: -1, Directories: []ids.DirectoryID{{9, 9}}})
		synctest.Wait()
		if len(l.dirs) != 1 {
			t.Errorf("%d reports of a wrong directory", len(l.dirs))
		}
	})
}

func TestReportsAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{failing: []error{errors.New("nobody there"), kerr.StaleBrokerEpoch}}
		w := reporting(t, l)
		begin := time.Now()
		w.create("a", 1, 1, 1)
		w.mustAppend(tp("a", 0), 1)
		<-l.dirs // refused as a whole
		<-l.dirs
		synctest.Wait()
		if passed := time.Since(begin); passed != 3*reportPause || w.pending() != 0 {
			t.Errorf("after %v, %d left", passed, w.pending())
		}
	})
}

func TestLeaderTellsThatItRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := reporting(t, l)
		w.create("a", 1, 1, 1)
		w.apply(&records.PartitionChangeRecord{TopicID: idOf("a", 1), Leader: 1, ISR: []ids.NodeID{1}, LeaderRecoveryState: 1})
		req := <-l.alters
		p := req.Topics[0].Partitions[0]
		if req.Version != 3 || req.BrokerEpoch != 7 || p.LeaderEpoch != 1 || p.PartitionEpoch != 1 || p.LeaderRecoveryState != 0 || len(p.NewEpochISR) != 1 || p.NewEpochISR[0].BrokerID != 1 {
			t.Errorf("%+v", req)
		}
		synctest.Wait()
		if w.pending() != 0 {
			t.Error("still on the list")
		}
		l.code = kerr.InvalidUpdateVersion.Code // something overtook it
		w.apply(&records.PartitionChangeRecord{TopicID: idOf("a", 1), Leader: 1, ISR: []ids.NodeID{1}, LeaderRecoveryState: -1})
		<-l.alters
		synctest.Wait()
		if w.pending() != 1 {
			t.Error("a refusal is forgotten")
		}
		w.apply(&records.PartitionChangeRecord{TopicID: idOf("a", 1), Leader: -2, LeaderRecoveryState: 0})
		time.Sleep(reportPause) // of the bubble's clock
		synctest.Wait()
		if w.pending() != 0 || len(l.alters) > 0 {
			t.Errorf("%d on the list, %d told after it has become true", w.pending(), len(l.alters))
		}
	})
}

func TestFollowersTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := reporting(t, l)
		w.create("a", 1, 1, 2, 1)
		w.apply(&records.PartitionChangeRecord{TopicID: idOf("a", 1), Leader: 2, ISR: []ids.NodeID{2}, LeaderRecoveryState: 1})
		synctest.Wait()
		if len(l.alters)+len(l.dirs) > 0 || w.pending() > 0 {
			t.Error("a follower reported")
		}
	})
}
