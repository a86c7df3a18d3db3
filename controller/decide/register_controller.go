package decide

import (
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// RegisterController notes a controller's listeners and features (KIP-919).
func RegisterController(e *Env, req *kmsg.ControllerRegistrationRequest) (Decision, error) {
	if !e.mv().SupportsControllerRegistration() {
		return Decision{}, fail(kerr.UnsupportedVersion, "The current MetadataVersion is too old to support controller registrations.")
	}
	rec := &records.RegisterControllerRecord{ControllerID: ids.NodeID(req.ControllerID), IncarnationID: req.IncarnationID}
	for _, l := range req.Listeners {
		if err := checkProtocol(l.Name, l.SecurityProtocol); err != nil {
			return Decision{}, err
		}
		rec.EndPoints = append(rec.EndPoints, records.ControllerEndpoint{Name: l.Name, Host: l.Host, Port: l.Port, SecurityProtocol: l.SecurityProtocol})
	}
	for _, f := range req.Features {
		rec.Features = append(rec.Features, records.ControllerFeature{Name: f.Name, MinSupportedVersion: f.MinSupportedVersion, MaxSupportedVersion: f.MaxSupportedVersion})
	}
	reply := req.ResponseKind().(*kmsg.ControllerRegistrationResponse)
	reply.ErrorMessage = new(string) // Kafka's text for no error is empty here
	d := Decision{Atomic: true, Reply: reply}
	d.add(rec, 0)
	return d, nil
}
