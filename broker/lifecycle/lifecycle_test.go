package lifecycle

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// controller is a fake that answers from functions and keeps what it was asked.
type controller struct {
	beats     chan *kmsg.BrokerHeartbeatRequest
	register  func(*kmsg.BrokerRegistrationRequest) (int64, error)
	heartbeat func(*kmsg.BrokerHeartbeatRequest, *kmsg.BrokerHeartbeatResponse)
	last      *kmsg.BrokerRegistrationRequest
}

func (c *controller) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	switch r := req.(type) {
	case *kmsg.BrokerRegistrationRequest:
		c.last = r
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		epoch, err := c.register(r)
		var code *kerr.Error
		if err != nil && !errors.As(err, &code) {
			<-ctx.Done() // as forward.Client does when nobody answers
			return nil, ctx.Err()
		}
		resp := r.ResponseKind().(*kmsg.BrokerRegistrationResponse)
		resp.BrokerEpoch = epoch
		if code != nil {
			resp.ErrorCode = code.Code
		}
		return resp, nil
	case *kmsg.BrokerHeartbeatRequest:
		resp := r.ResponseKind().(*kmsg.BrokerHeartbeatResponse)
		resp.IsFenced = r.WantFence
		if c.heartbeat != nil {
			c.heartbeat(r, resp)
		}
		c.beats <- r
		return resp, nil
	}
	panic("unexpected request")
}

var me = ids.UUID{1, 2, 3}

func start(t *testing.T, c *controller) *Manager {
	c.beats = make(chan *kmsg.BrokerHeartbeatRequest, 100)
	if c.register == nil {
		c.register = func(*kmsg.BrokerRegistrationRequest) (int64, error) { return 7, nil }
	}
	m := New(Options{Node: 1, ClusterID: "c", Incarnation: me, PreviousEpoch: -1, HeartbeatInterval: 2 * time.Second,
		SessionTimeout: 9 * time.Second, RegistrationTimeout: time.Minute, Controller: c, Features: image.SupportedFeatures(),
		Endpoints: []image.Endpoint{{Name: "PLAINTEXT", Host: "h", Port: 9092}}, Directories: []ids.DirectoryID{{9}, {5}}})
	m.Start()
	t.Cleanup(m.Close)
	return m
}

// imageAt is an image at an offset in which this incarnation is registered, or
// nobody is.
func imageAt(t *testing.T, offset int64, registered, fenced bool) *image.Image {
	d := image.NewDelta(image.Empty())
	if registered {
		if err := d.Replay(&records.RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 7, IncarnationID: me, Fenced: fenced}); err != nil {
			t.Fatal(err)
		}
	}
	return d.Apply(image.Provenance{Last: ids.OffsetAndEpoch{Offset: ids.Offset(offset)}})
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestWayUpNeedsNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &controller{}
		m := start(t, c)
		begin := time.Now()
		m.ReadyToUnfence()
		<-m.Registered()
		m.Publish(nil, imageAt(t, 6, false, false))
		synctest.Wait()
		if isClosed(m.CaughtUp()) || len(c.beats) > 0 {
			t.Fatal("acted before the image had the registration")
		}
		m.Publish(nil, imageAt(t, 7, true, true))
		<-m.CaughtUp()
		beat := <-c.beats
		if beat.WantFence || beat.BrokerEpoch != 7 || beat.CurrentMetadataOffset != 7 || beat.WantShutdown {
			t.Errorf("first heartbeat: %+v", beat)
		}
		synctest.Wait()
		if isClosed(m.Unfenced()) || m.State() != Recovery {
			t.Errorf("unfenced by the answer, not by the image; state %v", m.State())
		}
		m.Publish(nil, imageAt(t, 8, true, false))
		<-m.Unfenced()
		if m.State() != Running || m.Epoch() != 7 {
			t.Errorf("state %v epoch %d", m.State(), m.Epoch())
		}
		if passed := time.Since(begin); passed != 0 {
			t.Errorf("waited %v on the way up", passed)
		}
		if d := c.last.LogDirs; len(d) != 2 || d[0][0] != 5 || c.last.PreviousBrokerEpoch != -1 || c.last.Version != 4 || len(c.last.Features) == 0 {
			t.Errorf("registration %+v", c.last)
		}
	})
}

// A cluster's metadata version goes up while the broker runs: once directories
// are known of, the registration is told of them, once and in the same epoch.
func TestRegistrationIsAmended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var registrations atomic.Int32
		c := &controller{register: func(r *kmsg.BrokerRegistrationRequest) (int64, error) {
			if registrations.Add(1) == 2 {
				return 0, kerr.NotController
			}
			return 7, nil
		}}
		m := start(t, c)
		m.ReadyToUnfence()
		<-m.Registered()
		img := imageAt(t, 7, true, false)
		step := func(recs ...records.Record) {
			d := image.NewDelta(img)
			for _, r := range recs {
				if err := d.Replay(r); err != nil {
					t.Fatal(err)
				}
			}
			img = d.Apply(image.Provenance{Last: ids.OffsetAndEpoch{Offset: img.Provenance.Last.Offset + 1}})
			m.Publish(d, img)
			synctest.Wait()
		}
		step(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: 16})
		if n := registrations.Load(); n != 1 {
			t.Errorf("%d registrations below 3.7-IV2", n)
		}
		step(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: 17})
		if n := registrations.Load(); n != 2 {
			t.Errorf("%d registrations, want the refused one", n)
		}
		time.Sleep(2 * time.Second) // a heartbeat later
		synctest.Wait()
		step()
		if n := registrations.Load(); n != 3 || len(c.last.LogDirs) != 2 || c.last.IncarnationID != me {
			t.Errorf("%d registrations, the last %+v", n, c.last)
		}
		step(&records.RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 7, IncarnationID: me, LogDirs: []ids.DirectoryID{{5}, {9}}})
		step(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: 18})
		if n := registrations.Load(); n != 3 || m.State() != Running || m.Epoch() != 7 {
			t.Errorf("%d registrations, state %v, epoch %d", n, m.State(), m.Epoch())
		}
	})
}

func TestNotReadyStaysFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &controller{}
		m := start(t, c)
		<-m.Registered()
		m.Publish(nil, imageAt(t, 7, true, true))
		if beat := <-c.beats; !beat.WantFence { // by the interval
			t.Error("asked to be unfenced before ReadyToUnfence")
		}
		m.ReadyToUnfence()
		if beat := <-c.beats; beat.WantFence {
			t.Error("ready and caught up, but did not ask")
		}
	})
}

func TestRegistrationIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		c := &controller{register: func(*kmsg.BrokerRegistrationRequest) (int64, error) {
			if tries++; tries < 4 {
				return 0, kerr.DuplicateBrokerRegistration
			}
			return 9, nil
		}}
		m := start(t, c)
		<-m.Registered()
		if m.Epoch() != 9 || tries != 4 {
			t.Errorf("epoch %d after %d tries", m.Epoch(), tries)
		}
	})
}

func TestRegistrationFails(t *testing.T) {
	for _, tt := range []struct {
		err, want error
		why       error // beside want
		after     time.Duration
	}{
		{kerr.InconsistentClusterID, ErrWrongCluster, nil, 0},
		{errors.New("nobody there"), ErrRegistrationTimeout, nil, time.Minute},
		{kerr.DuplicateBrokerRegistration, ErrRegistrationTimeout, kerr.DuplicateBrokerRegistration, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			m := start(t, &controller{register: func(*kmsg.BrokerRegistrationRequest) (int64, error) { return 0, tt.err }})
			err := <-m.Failed()
			<-m.Stopped()
			if !errors.Is(err, tt.want) || time.Since(begin) != tt.after {
				t.Errorf("%v after %v, want %v after %v", err, time.Since(begin), tt.want, tt.after)
			}
			if tt.why != nil && (!errors.Is(err, tt.why) || errors.Is(err, context.DeadlineExceeded)) {
				t.Errorf("%v does not say %v", err, tt.why)
			}
		})
	}
}

// up brings a broker to Running.
func up(t *testing.T, c *controller) *Manager {
	m := start(t, c)
	m.ReadyToUnfence()
	<-m.Registered()
	m.Publish(nil, imageAt(t, 7, true, true))
	<-c.beats
	m.Publish(nil, imageAt(t, 8, true, false))
	<-m.Unfenced()
	return m
}

func TestHeartbeatsAndRefencing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &controller{}
		m := up(t, c)
		begin := time.Now()
		<-c.beats
		<-c.beats
		if passed := time.Since(begin); passed != 4*time.Second {
			t.Errorf("two heartbeats after %v", passed)
		}
		m.Publish(nil, imageAt(t, 20, true, true))
		if beat := <-c.beats; beat.WantFence || time.Since(begin) != 4*time.Second {
			t.Error("did not ask at once to be unfenced again")
		}
		m.DirectoryFailed(ids.DirectoryID{5})
		if beat := <-c.beats; len(beat.OfflineLogDirs) != 1 || time.Since(begin) != 4*time.Second {
			t.Error("did not tell of the failed directory at once")
		}
	})
}

func TestControlledShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := &controller{heartbeat: func(r *kmsg.BrokerHeartbeatRequest, resp *kmsg.BrokerHeartbeatResponse) {
			if r.WantShutdown {
				asked++
				resp.ShouldShutdown = asked == 2
			}
		}}
		m := up(t, c)
		begin := time.Now()
		if err := m.Shutdown(context.Background()); err != nil || asked != 2 || time.Since(begin) != shutdownPoll {
			t.Errorf("%v after %d questions and %v", err, asked, time.Since(begin))
		}
		if m.State() != Stopped {
			t.Errorf("state %v", m.State())
		}
	})
}

func TestShutdownWithoutController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &controller{heartbeat: func(r *kmsg.BrokerHeartbeatRequest, resp *kmsg.BrokerHeartbeatResponse) {
			resp.ErrorCode = kerr.StaleBrokerEpoch.Code
		}}
		m := start(t, c)
		<-m.Registered()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := m.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestShutdownBreaksAStuckRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, &controller{register: func(*kmsg.BrokerRegistrationRequest) (int64, error) { return 0, errors.New("stuck") }})
		synctest.Wait()
		begin := time.Now()
		if err := m.Shutdown(context.Background()); err != nil || time.Since(begin) != 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}
