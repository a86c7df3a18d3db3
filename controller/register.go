package controller

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Asker sends a request to the active controller, whichever node that is, and
// goes on trying until ctx ends.
type Asker interface {
	Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
}

// Pauses and patience of a registration.
const (
	firstPause  = 100 * time.Millisecond
	longestWait = 10 * time.Second
)

// registrar registers this controller with the active one (KIP-919), be that
// itself or another node: once the metadata version allows it, and again
// whenever the image shows no registration, or one of another process.
//
// An image that does not show it yet is no reason to ask again: what the active
// controller has acknowledged is committed and will come. So only steps of the
// metadata that concern registrations or the version wake the registrar.
type registrar struct {
	self        ids.NodeID
	incarnation ids.UUID
	endpoints   []image.Endpoint
	ask         Asker
	log         *zap.Logger

	missing atomic.Bool   // the latest image wants a registration
	wake    chan struct{} // room for one
	end     context.CancelFunc
	done    chan struct{} // closed when run has ended
}

func newRegistrar(o *Options) *registrar {
	return &registrar{self: o.Raft.NodeID, incarnation: o.Incarnation, endpoints: o.Endpoints, ask: o.Ask, log: o.Raft.Logger,
		wake: make(chan struct{}, 1), done: make(chan struct{})}
}

func (r *registrar) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.end = cancel
	go r.run(ctx)
}

// stop ends the registrar; a request under way is given up.
func (r *registrar) stop() {
	if r.end != nil {
		r.end()
		<-r.done
	}
}

// publish is an image.Publisher.
func (r *registrar) publish(d *image.Delta, img *image.Image) {
	if d.Features() == nil && !r.concerns(d.Cluster()) {
		return
	}
	reg := img.Cluster.Controller(r.self)
	registered := reg != nil && reg.Incarnation == r.incarnation
	missing := !registered && img.Features.MetadataVersion().SupportsControllerRegistration()
	r.missing.Store(missing)
	if missing {
		select {
		case r.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

func (r *registrar) concerns(d *image.ClusterDelta) bool {
	if d == nil {
		return false
	}
	for _, c := range d.Controllers {
		if c.Old != nil && c.Old.ID == r.self || c.New != nil && c.New.ID == r.self {
			return true
		}
	}
	return false
}

func (r *registrar) run(ctx context.Context) {
	defer close(r.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		for pause := firstPause; r.missing.Load() && !r.register(ctx); pause = min(2*pause, longestWait) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	}
}

// register asks once and tells whether that was acknowledged. A controller that
// keeps silent is asked anew: another one may lead by then.
func (r *registrar) register(ctx context.Context) bool {
	once, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	resp, err := r.ask.Do(once, r.request())
	if answer, ok := resp.(*kmsg.ControllerRegistrationResponse); err == nil && ok {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err != nil && ctx.Err() == nil {
		r.log.Warn("This controller could not register yet", zap.Error(err))
	}
	return err == nil
}

func (r *registrar) request() *kmsg.ControllerRegistrationRequest {
	req := kmsg.NewPtrControllerRegistrationRequest()
	req.ControllerID, req.IncarnationID = int32(r.self), r.incarnation
	for _, e := range r.endpoints {
		l := kmsg.NewControllerRegistrationRequestListener()
		l.Name, l.Host, l.Port, l.SecurityProtocol = e.Name, e.Host, e.Port, e.SecurityProtocol
		req.Listeners = append(req.Listeners, l)
	}
	for _, f := range image.SupportedFeatures() {
		x := kmsg.NewControllerRegistrationRequestFeature()
		x.Name, x.MinSupportedVersion, x.MaxSupportedVersion = f.Feature, f.Min, f.Max
		req.Features = append(req.Features, x)
	}
	return req
}
