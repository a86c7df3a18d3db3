package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateDelegationToken, versions 1 to 3. A token stands for whoever proved who
// he is, which nobody can on a listener without authentication (KIP-48).
func createDelegationTokenHandler() Handle {
	return Typed(func(c *conn.Call, r *kmsg.CreateDelegationTokenRequest) {
		resp := r.ResponseKind().(*kmsg.CreateDelegationTokenResponse)
		resp.ErrorCode = kerr.DelegationTokenRequestNotAllowed.Code
		who := forward.OriginOf(c).Principal
		resp.PrincipalType, resp.PrincipalName = who.Type, who.Name
		resp.TokenRequesterPrincipalType, resp.TokenRequesterPrincipalName = who.Type, who.Name
		resp.IssueTimestamp, resp.ExpiryTimestamp, resp.MaxTimestamp = -1, -1, -1
		c.Reply(resp)
	})
}
