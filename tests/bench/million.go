package main

import (
	"context"
	order "encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"runtime"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/gregorbroker/gregor/storage/vfs"
	"github.com/gregorbroker/gregor/tests/node"
)

const (
	topicsOfMillion     = 10_000
	partitionsOfMillion = 100
	recordsOfMillion    = topicsOfMillion * (partitionsOfMillion + 1)
)

// heapOfMillion is what Apache Kafka is given for it: 1 GiB, as for everything
// else, does not hold the image and the controller's own state.
const heapOfMillion = "6G"

// million writes a snapshot of a million partitions with three replicas each,
// loads it, both in this process, and starts a controller on it.
func million(b *bench, like *node.Server) (figures, error) {
	sw := like.Software()
	if sw.Name == "apache" {
		sw = b.home.Software(heapOfMillion)
	}
	s, err := node.NewAt(sw, node.Place{Roles: "controller"}, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	at := ids.OffsetAndEpoch{Offset: 2_000_000, Epoch: 1}
	path := filepath.Join(s.MetadataDir(), raftio.SnapshotName(at))
	f, err := snapshots(path, filepath.Join(s.MetadataDir(), raftio.SnapshotName(ids.OffsetAndEpoch{})), at)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := s.Start(); err != nil {
		return nil, err
	}
	if err := changeable(s); err != nil {
		return nil, err
	}
	start := figures{"start_s": time.Since(begin).Seconds(), "rss_mib": rss(s.PID())}
	if sw.Name == "apache" {
		f = figures{} // what this process measured is not Kafka's
	}
	maps.Copy(f, start)
	fmt.Printf("%-8s million %v\n", s.Name(), f)
	return f, nil
}

// snapshots writes a snapshot of a million partitions to path, for the voters
// of the one that formatting left, and loads it.
func snapshots(path, formatted string, at ids.OffsetAndEpoch) (figures, error) {
	before := heap()
	img, err := imageOf(func(yield func([]byte, error) bool) {
		for raw := range metadataOfMany() {
			if !yield(raw, nil) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	f := figures{"heap_mib": (heap() - before) / (1 << 20)}
	first, err := raftio.OpenSnapshot(vfs.OS, formatted)
	if err != nil {
		return nil, err
	}
	defer first.Close()
	begin := time.Now()
	err = raftio.WriteSnapshotFile(raftio.SnapshotOptions{FS: vfs.OS, Path: path, AppendTime: begin.UnixMilli(), Now: begin.UnixMilli(), Epoch: at.Epoch,
		KRaftVersion: first.KRaftVersion(), Voters: first.Voters()}, func(yield func([]byte) bool) {
		var raw []byte
		for v := range img.Records() {
			if raw = v.Append(raw[:0]); !yield(raw) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	f["write_mrec_s"] = recordsOfMillion / time.Since(begin).Seconds() / 1e6
	runtime.KeepAlive(img)
	runtime.GC()
	begin = time.Now()
	r, err := raftio.OpenSnapshot(vfs.OS, path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	again, err := imageOf(func(yield func([]byte, error) bool) {
		for b, err := range r.Batches() {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, raw := range b.Records {
				if !yield(raw, nil) {
					return
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	f["load_mrec_s"] = recordsOfMillion / time.Since(begin).Seconds() / 1e6
	if n := again.Topics.PartitionCount(); n != topicsOfMillion*partitionsOfMillion {
		return nil, fmt.Errorf("%d partitions after loading", n)
	}
	return f, nil
}

func imageOf(raws iter.Seq2[[]byte, error]) (*image.Image, error) {
	l := image.NewLoader(image.Empty())
	for raw, err := range raws {
		if err == nil {
			err = l.Add(raw)
		}
		if err != nil {
			return nil, err
		}
	}
	d, err := l.Finish()
	if err != nil {
		return nil, err
	}
	return d.Apply(image.Provenance{}), nil
}

// metadataOfMany are the records of the topics, on 30 brokers that are fenced.
func metadataOfMany() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		mv := image.LatestMetadataVersion
		var raw []byte
		put := func(r records.Record, version int16) bool {
			raw = records.Append(raw[:0], r, version)
			return yield(raw)
		}
		put(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: int16(mv)}, 0)
		for b := range 30 {
			put(&records.RegisterBrokerRecord{BrokerID: ids.NodeID(1000 + b), BrokerEpoch: int64(b), Fenced: true, LogDirs: []ids.DirectoryID{{byte(b), 1}}}, mv.RegisterBrokerVersion())
		}
		for t := range topicsOfMillion {
			id := ids.TopicID{15: 1}
			order.BigEndian.PutUint32(id[:], uint32(t)*2654435761)
			put(&records.TopicRecord{Name: fmt.Sprintf("topic-%05d", t), TopicID: id}, 0)
			for p := range partitionsOfMillion {
				r := &records.PartitionRecord{PartitionID: int32(p), TopicID: id, Leader: ids.NoNode}
				for i := range 3 {
					b := (t + p*(1+t%7) + i) % 30
					r.Replicas, r.Directories = append(r.Replicas, ids.NodeID(1000+b)), append(r.Directories, ids.DirectoryID{byte(b), 1})
				}
				r.ISR = r.Replicas
				if !put(r, mv.PartitionVersion()) {
					return
				}
			}
		}
	}
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// changeable waits until a controller carries a change of a topic out.
func changeable(s *node.Server) error {
	const most = 2 * time.Minute // Apache Kafka answers when it has loaded all
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Controller()), kgo.RequestTimeoutOverhead(most))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	for {
		r, err := cl.SeedBrokers()[0].Request(ctx, changeOf("topic-00001", 1))
		if err == nil {
			err = kerr.ErrorForCode(r.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
		}
		if err == nil || ctx.Err() != nil || !errors.Is(err, kerr.NotController) {
			return err
		}
	}
}

// changeOf sets a topic's retention.
func changeOf(topic string, n int) *kmsg.IncrementalAlterConfigsRequest {
	req, value := kmsg.NewPtrIncrementalAlterConfigsRequest(), fmt.Sprint(86_400_000+n)
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	cfg := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	cfg.Name, cfg.Value = "retention.ms", &value
	res.Configs = append(res.Configs, cfg)
	req.Resources = append(req.Resources, res)
	return req
}
