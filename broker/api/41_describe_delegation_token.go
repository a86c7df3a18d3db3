package api

import (
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeDelegationToken, versions 1 to 3: see CreateDelegationToken.
func describeDelegationTokenHandler() Handle {
	return Typed(func(c *conn.Call, r *kmsg.DescribeDelegationTokenRequest) {
		resp := r.ResponseKind().(*kmsg.DescribeDelegationTokenResponse)
		resp.ErrorCode = kerr.DelegationTokenRequestNotAllowed.Code
		c.Reply(resp)
	})
}
