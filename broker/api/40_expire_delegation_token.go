package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ExpireDelegationToken, versions 1 and 2: see CreateDelegationToken.
func expireDelegationTokenHandler() Handle {
	return Typed(func(c *conn.Call, r *kmsg.ExpireDelegationTokenRequest) {
		resp := r.ResponseKind().(*kmsg.ExpireDelegationTokenResponse)
		resp.ErrorCode, resp.ExpiryTimestamp = kerr.DelegationTokenRequestNotAllowed.Code, -1
		c.Reply(resp)
	})
}
