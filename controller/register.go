package controller

import (
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// registrar registers this controller with the active one (KIP-919): once the
// metadata version allows it, and again whenever the registration that the
// image shows is not of this process. It lives on the publisher's goroutine.
type registrar struct {
	c *Controller
	// asking: a request is on its way. The image that shows its effect is
	// published before its answer comes.
	asking atomic.Bool
}

func (r *registrar) publish(_ *image.Delta, img *image.Image) {
	if !img.Features.MetadataVersion().SupportsControllerRegistration() {
		return
	}
	id := r.c.o.Raft.NodeID
	if reg := img.Cluster.Controller(id); reg != nil && reg.Incarnation == r.c.o.Incarnation {
		return
	}
	if r.c.active.Leader().Leader == id && r.asking.CompareAndSwap(false, true) {
		r.register()
	}
}

func (r *registrar) register() {
	req := kmsg.NewPtrControllerRegistrationRequest()
	req.ControllerID, req.IncarnationID = int32(r.c.o.Raft.NodeID), r.c.o.Incarnation
	for _, e := range r.c.o.Endpoints {
		l := kmsg.NewControllerRegistrationRequestListener()
		l.Name, l.Host, l.Port, l.SecurityProtocol = e.Name, e.Host, e.Port, e.SecurityProtocol
		req.Listeners = append(req.Listeners, l)
	}
	for _, f := range image.SupportedFeatures() {
		x := kmsg.NewControllerRegistrationRequestFeature()
		x.Name, x.MinSupportedVersion, x.MaxSupportedVersion = f.Feature, f.Min, f.Max
		req.Features = append(req.Features, x)
	}
	r.c.active.Do(func(e *decide.Env) (decide.Decision, error) { return decide.RegisterController(e, req) }, func(_ kmsg.Response, err error) {
		r.asking.Store(false)
		if err != nil {
			r.c.o.Raft.Logger.Warn("This controller could not register", zap.Error(err))
		}
	})
}
