package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// UpdateFeatures, versions 0 to 2, is the controller's. Before version 2 the
// answer lists every feature with its error.
func updateFeaturesHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.UpdateFeaturesRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.UpdateFeaturesResponse)
		resp.ErrorCode, resp.ErrorMessage = code, text
		if r.Version < 2 {
			for _, f := range r.FeatureUpdates {
				out := kmsg.NewUpdateFeaturesResponseResult()
				out.Feature, out.ErrorCode, out.ErrorMessage = f.Feature, code, text
				resp.Results = append(resp.Results, out)
			}
		}
		return resp
	})
}
