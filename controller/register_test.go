package controller

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/raftio"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// askers plays the active controller: each element is one answer; then it is silent.
type askers struct {
	answers []func(context.Context) (int16, error)
	asked   []*kmsg.ControllerRegistrationRequest
}

func (a *askers) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	a.asked = append(a.asked, req.(*kmsg.ControllerRegistrationRequest))
	answer := silence
	if len(a.answers) > 0 {
		answer, a.answers = a.answers[0], a.answers[1:]
	}
	code, err := answer(ctx)
	resp := req.ResponseKind().(*kmsg.ControllerRegistrationResponse)
	resp.ErrorCode = code
	return resp, err
}

func silence(ctx context.Context) (int16, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func code(c int16) func(context.Context) (int16, error) {
	return func(context.Context) (int16, error) { return c, nil }
}

// TestRegistersUntilAcknowledged: a silent, a refusing and an unreachable active
// controller are asked again; an acknowledged registration is not repeated,
// however many other steps come before the image shows it; one that is replaced
// by another process's is.
func TestRegistersUntilAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &askers{answers: []func(context.Context) (int16, error){
			silence, code(kerr.UnknownServerError.Code), func(context.Context) (int16, error) { return 0, errors.New("no route") }, code(0), code(0)}}
		r := newRegistrar(&Options{Raft: raftio.Options{NodeID: 7, Logger: zap.NewNop()}, Incarnation: ids.UUID{9}, Ask: a,
			Endpoints: []image.Endpoint{{Name: "CONTROLLER", Host: "h", Port: 9, SecurityProtocol: 3}}})
		img := image.Empty()
		step := func(recs ...records.Record) {
			d := image.NewDelta(img)
			for _, rec := range recs {
				if err := d.Replay(rec); err != nil {
					t.Fatal(err)
				}
			}
			img = d.Apply(image.Provenance{})
			r.publish(d, img)
			time.Sleep(time.Minute) // of the bubble: everything settles
			synctest.Wait()
		}
		r.start()
		step(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: 14})
		if len(a.asked) != 0 {
			t.Fatal("registered below the metadata version that allows it")
		}
		step(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: 20})
		if len(a.asked) != 4 {
			t.Fatalf("asked %d times", len(a.asked))
		}
		if q := a.asked[0]; q.ControllerID != 7 || q.IncarnationID != [16]byte{9} || len(q.Listeners) != 1 || q.Listeners[0].SecurityProtocol != 3 || len(q.Features) != len(image.SupportedFeatures()) {
			t.Errorf("asked %+v", q)
		}
		step(&records.TopicRecord{Name: "t", TopicID: ids.TopicID{1}})
		step(&records.RegisterControllerRecord{ControllerID: 7, IncarnationID: ids.UUID{9}})
		if len(a.asked) != 4 {
			t.Fatalf("asked again though acknowledged, %d times in all", len(a.asked))
		}
		step(&records.RegisterControllerRecord{ControllerID: 7, IncarnationID: ids.UUID{8}})
		if len(a.asked) != 5 {
			t.Errorf("another process registered in our place: asked %d times", len(a.asked))
		}
		step(&records.FeatureLevelRecord{Name: image.MetadataVersionFeature, FeatureLevel: 21})
		r.stop() // in the middle of a silent request
	})
}
