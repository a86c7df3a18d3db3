package forward

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// peer is a connection to a controller that a test plays.
type peer struct {
	node   ids.NodeID
	do     func(ctx context.Context, node ids.NodeID, req kmsg.Request) (kmsg.Response, error)
	done   chan struct{}
	closed sync.Once
}

func (p *peer) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return p.do(ctx, p.node, req)
}
func (p *peer) Done() <-chan struct{} { return p.done }
func (p *peer) Close() error {
	p.closed.Do(func() { close(p.done) })
	return nil
}

// cluster plays the controllers.
type cluster struct {
	dials int
	fail  error // of dialling
	peers []*peer
	do    func(ctx context.Context, node ids.NodeID, req kmsg.Request) (kmsg.Response, error)
}

func (c *cluster) client() *Client {
	return New(Options{RequestTimeout: 30 * time.Second, Dial: func(_ context.Context, node ids.NodeID) (Peer, error) {
		c.dials++
		if c.fail != nil {
			return nil, c.fail
		}
		p := &peer{node: node, do: c.do, done: make(chan struct{})}
		c.peers = append(c.peers, p)
		return p, nil
	}})
}

func answerCode(code int16) func(context.Context, ids.NodeID, kmsg.Request) (kmsg.Response, error) {
	return func(_ context.Context, _ ids.NodeID, req kmsg.Request) (kmsg.Response, error) {
		r := req.ResponseKind().(*kmsg.AllocateProducerIDsResponse)
		r.ErrorCode = code
		return r, nil
	}
}

func leader(node ids.NodeID, epoch ids.LeaderEpoch) ids.LeaderAndEpoch {
	return ids.LeaderAndEpoch{Leader: node, Epoch: epoch}
}

func TestWaitsForALeaderWithoutPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{do: answerCode(0)}
		client := c.client()
		defer client.Close()
		begin := time.Now()
		got := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := client.Do(t.Context(), &kmsg.AllocateProducerIDsRequest{})
				got <- err
			}()
		}
		synctest.Wait()
		client.SetLeader(leader(3, 1))
		if err := errors.Join(<-got, <-got); err != nil || time.Since(begin) != 0 || c.dials != 1 || c.peers[0].node != 3 {
			t.Errorf("%v after %v and %d dials", err, time.Since(begin), c.dials)
		}
	})
}

func TestFollowsTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := &cluster{}, 0
		c.do = func(ctx context.Context, node ids.NodeID, req kmsg.Request) (kmsg.Response, error) {
			if node == 1 {
				asked++
				return answerCode(kerr.NotController.Code)(ctx, node, req)
			}
			return answerCode(0)(ctx, node, req)
		}
		client := c.client()
		defer client.Close()
		client.SetLeader(leader(1, 5))
		client.SetLeader(leader(2, 4)) // of the past
		done := make(chan error)
		go func() {
			_, err := client.Do(t.Context(), &kmsg.AllocateProducerIDsRequest{})
			done <- err
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if client.Leader() != leader(1, 5) || asked < 5 || asked > 25 || c.dials != 1 {
			t.Errorf("leader %v, asked %d times in a second over %d connections", client.Leader(), asked, c.dials)
		}
		begin := time.Now()
		client.SetLeader(leader(2, 6))
		if err := <-done; err != nil || time.Since(begin) > 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		before := c.dials
		client.SetLeader(leader(2, 7)) // elected again: the connection stays
		if _, err := client.Do(t.Context(), &kmsg.AllocateProducerIDsRequest{}); err != nil || c.dials != before {
			t.Errorf("%v, dialled again: %v", err, c.dials != before)
		}
		c.peers[len(c.peers)-1].Close()
		if _, err := client.Do(t.Context(), &kmsg.AllocateProducerIDsRequest{}); err != nil || c.dials != before+1 {
			t.Errorf("%v, %d dials after the connection broke", err, c.dials-before)
		}
	})
}

// A node that is elected but not ready yet turns one request down while another
// is on its way over the same connection: that one must not be sent twice.
func TestNotControllerBreaksNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, decide, topics := &cluster{}, make(chan struct{}), 0
		c.do = func(ctx context.Context, node ids.NodeID, req kmsg.Request) (kmsg.Response, error) {
			if _, ok := req.(*kmsg.CreateTopicsRequest); !ok {
				return answerCode(kerr.NotController.Code)(ctx, node, req)
			}
			topics++
			select {
			case <-decide:
				return req.ResponseKind(), nil
			case <-c.peers[len(c.peers)-1].done:
				return nil, errors.New("connection closed")
			}
		}
		client := c.client()
		defer client.Close()
		client.SetLeader(leader(1, 5))
		created := make(chan error)
		go func() {
			_, err := client.Do(t.Context(), &kmsg.CreateTopicsRequest{})
			created <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Do(ctx, &kmsg.AllocateProducerIDsRequest{}); !errors.Is(err, kerr.NotController) {
			t.Errorf("turned down: %v", err)
		}
		close(decide)
		if err := <-created; err != nil || topics != 1 {
			t.Errorf("%v, sent %d times", err, topics)
		}
	})
}

// A leader that is paused keeps its connections open and answers nothing: what it
// was asked goes to the next leader as soon as there is one.
func TestPausedLeaderKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{}
		c.do = func(ctx context.Context, node ids.NodeID, req kmsg.Request) (kmsg.Response, error) {
			if node == 2 {
				return answerCode(0)(ctx, node, req)
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-c.peers[0].done:
				return nil, errors.New("connection closed")
			}
		}
		client := c.client()
		defer client.Close()
		client.SetLeader(leader(1, 5))
		begin, done := time.Now(), make(chan error)
		go func() {
			_, err := client.Do(t.Context(), &kmsg.AllocateProducerIDsRequest{})
			done <- err
		}()
		synctest.Wait()
		client.SetLeader(leader(ids.NoNode, 6))
		client.SetLeader(leader(2, 6))
		if err := <-done; err != nil || time.Since(begin) > time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// A dial to a node that leads no more holds up nobody.
func TestDialEndsWithTheLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := New(Options{RequestTimeout: time.Hour, Dial: func(ctx context.Context, node ids.NodeID) (Peer, error) {
			if node == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &peer{node: node, do: answerCode(0), done: make(chan struct{})}, nil
		}})
		defer client.Close()
		client.SetLeader(leader(1, 5))
		begin, done := time.Now(), make(chan error)
		go func() {
			_, err := client.Do(t.Context(), &kmsg.AllocateProducerIDsRequest{})
			done <- err
		}()
		synctest.Wait()
		client.SetLeader(leader(2, 6))
		if err := <-done; err != nil || time.Since(begin) > time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		c := &cluster{fail: refused}
		client := c.client()
		client.SetLeader(leader(1, 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.Do(ctx, &kmsg.AllocateProducerIDsRequest{})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, refused) || Code(err) != kerr.RequestTimedOut.Code {
			t.Errorf("got %v, code %d", err, Code(err))
		}
		go client.Close()
		if _, err := client.Do(t.Context(), &kmsg.AllocateProducerIDsRequest{}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		client.Close()
	})
}

func TestPrincipalBytesAreKafkas(t *testing.T) {
	// Written by Kafka's DefaultKafkaPrincipalBuilder.
	for text, p := range map[string]Principal{
		"000005557365720a414e4f4e594d4f55530000": Anonymous,
		"0000055573657207c3a46c6963650100":       {Type: "User", Name: "älice", TokenAuthenticated: true},
	} {
		if got := hex.EncodeToString(p.Bytes()); got != text {
			t.Errorf("%v: %s, want %s", p, got, text)
		}
		raw, _ := hex.DecodeString(text)
		if back, err := ParsePrincipal(raw); err != nil || back != p {
			t.Errorf("%v %v", back, err)
		}
		for i := range raw {
			if _, err := ParsePrincipal(raw[:i]); err == nil {
				t.Errorf("%d bytes of a principal are enough", i)
			}
		}
	}
}

func TestForwardAs(t *testing.T) {
	c := &cluster{}
	var seen *kmsg.EnvelopeRequest
	c.do = func(_ context.Context, _ ids.NodeID, req kmsg.Request) (kmsg.Response, error) {
		seen = req.(*kmsg.EnvelopeRequest)
		h, body, err := frame.ParseHeader(seen.RequestData)
		if err != nil {
			return nil, err
		}
		inner, err := frame.DecodeRequest(h, body)
		if err != nil {
			return nil, err
		}
		resp := inner.ResponseKind().(*kmsg.CreateTopicsResponse)
		resp.ThrottleMillis = 77
		out := req.ResponseKind().(*kmsg.EnvelopeResponse)
		out.ResponseData = frame.AppendResponse(nil, h.Key, h.Version, h.CorrelationID, resp)[4:]
		return out, nil
	}
	client := c.client()
	defer client.Close()
	client.SetLeader(leader(1, 1))
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	from := Origin{Principal: Anonymous, ClientID: "me", CorrelationID: 9, Host: netip.MustParseAddr("10.1.2.3")}
	resp, err := client.ForwardAs(t.Context(), from, req)
	if err != nil || resp.(*kmsg.CreateTopicsResponse).ThrottleMillis != 77 {
		t.Fatalf("%v %v", resp, err)
	}
	if string(seen.ClientHostAddress) != "\x0a\x01\x02\x03" {
		t.Errorf("host %v", seen.ClientHostAddress)
	}
	c.do = func(_ context.Context, _ ids.NodeID, req kmsg.Request) (kmsg.Response, error) {
		out := req.ResponseKind().(*kmsg.EnvelopeResponse)
		out.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return out, nil
	}
	c.peers[0].Close()
	if _, err := client.ForwardAs(t.Context(), from, req); Code(err) != kerr.UnknownServerError.Code {
		t.Errorf("an error of the envelope reaches the client as %d", Code(err))
	}
}

// doer answers AllocateProducerIds.
type doer func() (start int64, n int32, err error)

func (d doer) Do(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
	start, n, err := d()
	r := req.ResponseKind().(*kmsg.AllocateProducerIDsResponse)
	r.ProducerIDStart, r.ProducerIDLen = start, n
	return r, err
}

func TestProducerIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocks := int64(0)
		p := NewProducerIDs(doer(func() (int64, int32, error) {
			time.Sleep(time.Millisecond)
			blocks++
			return blocks * 100, 10, nil // with holes: other brokers take blocks too
		}), 1, func() int64 { return 5 }, time.Second, nil)
		got := make(chan int64, 1000)
		for range 25 { // more than two blocks at once
			p.Next(func(id int64, err error) {
				if err != nil {
					t.Error(err)
				}
				got <- id
			})
		}
		seen := map[int64]bool{}
		for range 25 {
			id := <-got
			if seen[id] || id < 100 || id%100 >= 10 {
				t.Fatalf("id %d", id)
			}
			seen[id] = true
		}
		synctest.Wait()
		for range 200 { // from here on never waiting: the spare block is there in time
			before := time.Now()
			p.Next(func(id int64, _ error) { got <- id })
			if id := <-got; seen[id] {
				t.Fatalf("id %d twice", id)
			} else {
				seen[id] = true
			}
			if time.Since(before) > 0 {
				t.Fatal("waited although a block was ahead")
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
}

func TestProducerIDsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []struct {
			start int64
			n     int32
			err   error
		}{{0, 0, errors.New("no controller")}, {50, 10, nil}, {40, 10, nil}, {0, -5, nil}, {60, 10, nil}}
		p := NewProducerIDs(doer(func() (int64, int32, error) {
			a := answers[0]
			answers = answers[1:]
			return a.start, a.n, a.err
		}), 1, func() int64 { return 5 }, time.Second, nil)
		next := func() (id int64, err error) {
			done := make(chan struct{})
			p.Next(func(i int64, e error) { id, err = i, e; close(done) })
			<-done
			synctest.Wait()
			return id, err
		}
		if _, err := next(); err == nil {
			t.Error("an id from nowhere")
		}
		for i := range int64(10) {
			if id, err := next(); err != nil || id != 50+i {
				t.Fatalf("%d %v", id, err)
			}
		}
		// Prefetching met a block of the past and a negative one by now, or
		// meets them here; neither may give an id.
		var id int64
		var err error
		for range 3 {
			if id, err = next(); err == nil {
				break
			}
		}
		if err != nil || id != 60 {
			t.Errorf("%d %v", id, err)
		}
	})
}

func TestTopicCreatorBlamesTheReplicationFactorOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code, requests := kerr.InvalidReplicationFactor.Code, 0
		c := &cluster{}
		c.do = func(_ context.Context, _ ids.NodeID, req kmsg.Request) (kmsg.Response, error) {
			requests++
			resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
			for _, topic := range req.(*kmsg.CreateTopicsRequest).Topics {
				r := kmsg.NewCreateTopicsResponseTopic()
				r.Topic, r.ErrorCode = topic.Topic, code
				resp.Topics = append(resp.Topics, r)
			}
			return resp, nil
		}
		core, logs := observer.New(zap.InfoLevel)
		broker, _ := configs.Resolve(nil)
		client := c.client()
		defer client.Close()
		creator := NewTopicCreator(client, func(t string) TopicSpec { return SpecOf(broker, t) }, func() int { return 1 }, zap.New(core))
		creator.Create([]string{OffsetsTopic}, nil)
		creator.Create([]string{OffsetsTopic, OffsetsTopic}, nil) // on its way
		client.SetLeader(leader(1, 1))
		synctest.Wait()
		for range 3 {
			creator.Create([]string{OffsetsTopic}, nil)
			synctest.Wait()
		}
		all := logs.TakeAll()
		if requests != 4 || len(all) != 1 || all[0].Level != zap.ErrorLevel || strings.Contains(all[0].Message, "\n") ||
			!strings.Contains(all[0].Message, "offsets.topic.replication.factor=3 but 1 broker") {
			t.Errorf("%d requests, logged %v", requests, all)
		}
		code = kerr.TopicAlreadyExists.Code
		creator.Create([]string{OffsetsTopic, "t"}, nil)
		synctest.Wait()
		if all := logs.TakeAll(); len(all) != 1 || all[0].Level != zap.InfoLevel {
			t.Errorf("logged %v", all)
		}
		code = kerr.InvalidReplicationFactor.Code
		for i := range 3 * maxBlamed {
			creator.Create([]string{fmt.Sprint("no-such-topic-", i)}, nil)
			synctest.Wait()
		}
		if n := len(creator.blamed); n > maxBlamed {
			t.Errorf("%d topics that nobody could make are remembered", n)
		}
	})
}

func TestSpecs(t *testing.T) {
	broker, _ := configs.Resolve(map[string]string{"num.partitions": "7", "transaction.state.log.min.isr": "1"})
	if s := SpecOf(broker, "any"); s.Partitions != 7 || s.ReplicationFactor != -1 || len(s.Configs) != 0 {
		t.Errorf("%+v", s)
	}
	if s := SpecOf(broker, TransactionTopic); s.Configs["min.insync.replicas"] != "1" || s.Configs["compression.type"] != "uncompressed" || s.Partitions != 50 {
		t.Errorf("%+v", s)
	}
	if s := SpecOf(broker, ShareStateTopic); s.Configs["retention.ms"] != "-1" || s.ReplicationKey != "share.coordinator.state.topic.replication.factor" {
		t.Errorf("%+v", s)
	}
}
