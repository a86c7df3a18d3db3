package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterClientQuotas, versions 0 and 1, is the controller's (KIP-546).
func alterClientQuotasHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.AlterClientQuotasRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.AlterClientQuotasResponse)
		for _, e := range r.Entries {
			out := kmsg.NewAlterClientQuotasResponseEntry()
			out.ErrorCode, out.ErrorMessage = code, text
			for _, p := range e.Entity {
				out.Entity = append(out.Entity, kmsg.AlterClientQuotasResponseEntryEntity{Type: p.Type, Name: p.Name})
			}
			resp.Entries = append(resp.Entries, out)
		}
		return resp
	})
}
