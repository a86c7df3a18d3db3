package api

import (
	"slices"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterUserScramCredentials, version 0, is the controller's (KIP-554).
func alterUserScramCredentialsHandler(client *forward.Client) Handle {
	return forwarded(client, func(r *kmsg.AlterUserSCRAMCredentialsRequest, code int16, text *string) kmsg.Response {
		resp := r.ResponseKind().(*kmsg.AlterUserSCRAMCredentialsResponse)
		var users []string
		for _, x := range r.Deletions {
			users = append(users, x.Name)
		}
		for _, x := range r.Upsertions {
			users = append(users, x.Name)
		}
		slices.Sort(users)
		for _, user := range slices.Compact(users) {
			resp.Results = append(resp.Results, kmsg.AlterUserSCRAMCredentialsResponseResult{User: user, ErrorCode: code, ErrorMessage: text})
		}
		return resp
	})
}
