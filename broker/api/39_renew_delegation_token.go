package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// RenewDelegationToken, versions 1 and 2: see CreateDelegationToken.
func renewDelegationTokenHandler() Handle {
	return Typed(func(c *conn.Call, r *kmsg.RenewDelegationTokenRequest) {
		resp := r.ResponseKind().(*kmsg.RenewDelegationTokenResponse)
		resp.ErrorCode, resp.ExpiryTimestamp = kerr.DelegationTokenRequestNotAllowed.Code, -1
		c.Reply(resp)
	})
}
