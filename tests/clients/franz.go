package clients

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Kgo maps codec names to franz-go's.
var Kgo = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// Attribute maps codec names to the codec bits of a batch's attributes.
var Attribute = map[string]uint8{"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

// Franz runs the round trip through franz-go in this process.
func Franz(ctx context.Context, addr string, count int, codec string) (Result, error) {
	topic, group := "clients-franz-go-"+codec, "group-franz-go-"+codec
	r := Result{Codec: codec, Produced: int64(count)}
	if err := franzProduce(ctx, addr, topic, codec, count); err != nil {
		return r, fmt.Errorf("produce: %w", err)
	}
	var err error
	if r.Consumed, err = franzConsume(ctx, addr, topic, group, int64(count*2/5), &r.Sum); err != nil {
		return r, fmt.Errorf("consume: %w", err)
	}
	if r.Resumed, err = franzConsume(ctx, addr, topic, group, int64(count)-r.Consumed, &r.Sum); err != nil {
		return r, fmt.Errorf("resume: %w", err)
	}
	return r, nil
}

func franzProduce(ctx context.Context, addr, topic, codec string, count int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(Kgo[codec]), kgo.ProducerLinger(10*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	failed := make(chan error, 1)
	for i := range count {
		k, v, seq := Record(i)
		cl.Produce(ctx, &kgo.Record{Key: k, Value: v, Headers: []kgo.RecordHeader{{Key: "seq", Value: seq}}}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// franzConsume reads at least atLeast records as a member of the group, commits and leaves.
func franzConsume(ctx context.Context, addr, topic, group string, atLeast int64, sum *uint64) (n int64, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	for n < atLeast {
		fs := cl.PollRecords(ctx, 10000)
		if err := fs.Err(); err != nil {
			return n, fmt.Errorf("after %d of %d records: %w", n, atLeast, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			*sum += RecordSum(r.Key, r.Value, r.Headers[0].Value)
			n++
		})
	}
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		return n, err
	}
	return n, cl.LeaveGroupContext(ctx)
}

// incompressible is how many records may lie in batches so small that
// compression would make them larger: clients send those as they are.
const incompressible = 20

// Verify reads a whole topic without a group and checks what lies in the log:
// every record once, and every batch compressed as the client was told to.
func Verify(ctx context.Context, addr, topic, codec string, count int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	var sum uint64
	wrong := 0
	for n := 0; n < count; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return fmt.Errorf("after %d of %d records: %w", n, count, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			n++
			sum += RecordSum(r.Key, r.Value, r.Headers[0].Value)
			if r.Attrs.CompressionType() != Attribute[codec] {
				wrong++
			}
		})
	}
	if sum != Sum(count) {
		return fmt.Errorf("the log's checksum is %d, want %d", sum, Sum(count))
	}
	if wrong > incompressible {
		return fmt.Errorf("%d records are not stored as %s", wrong, codec)
	}
	return nil
}
