package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The answers of a controller without an authorizer and, on listeners without
// authentication, without delegation tokens. What the log holds of access
// control lists and tokens is carried in the image all the same.

// anonymous is everybody on a listener without authentication.
const (
	anonymousType = "User"
	anonymousName = "ANONYMOUS"
)

func (s *Server) describeACLs() handle {
	return typed(func(r *request, req *kmsg.DescribeACLsRequest) {
		resp := req.ResponseKind().(*kmsg.DescribeACLsResponse)
		resp.ErrorCode, resp.ErrorMessage = kerr.SecurityDisabled.Code, kmsg.StringPtr("No Authorizer is configured on the broker")
		r.reply(resp)
	})
}

func noAuthorizer() (int16, *string) {
	return kerr.SecurityDisabled.Code, kmsg.StringPtr("No Authorizer is configured.")
}

func (s *Server) createACLs() handle {
	return typed(func(r *request, req *kmsg.CreateACLsRequest) {
		resp := req.ResponseKind().(*kmsg.CreateACLsResponse)
		for range req.Creations {
			out := kmsg.NewCreateACLsResponseResult()
			out.ErrorCode, out.ErrorMessage = noAuthorizer()
			resp.Results = append(resp.Results, out)
		}
		r.reply(resp)
	})
}

func (s *Server) deleteACLs() handle {
	return typed(func(r *request, req *kmsg.DeleteACLsRequest) {
		resp := req.ResponseKind().(*kmsg.DeleteACLsResponse)
		for range req.Filters {
			out := kmsg.NewDeleteACLsResponseResult()
			out.ErrorCode, out.ErrorMessage = noAuthorizer()
			resp.Results = append(resp.Results, out)
		}
		r.reply(resp)
	})
}

func (s *Server) createDelegationToken() handle {
	return typed(func(r *request, req *kmsg.CreateDelegationTokenRequest) {
		resp := req.ResponseKind().(*kmsg.CreateDelegationTokenResponse)
		resp.ErrorCode = kerr.DelegationTokenRequestNotAllowed.Code
		resp.PrincipalType, resp.PrincipalName = anonymousType, anonymousName
		resp.TokenRequesterPrincipalType, resp.TokenRequesterPrincipalName = anonymousType, anonymousName
		resp.IssueTimestamp, resp.ExpiryTimestamp, resp.MaxTimestamp = -1, -1, -1
		r.reply(resp)
	})
}

func (s *Server) renewDelegationToken() handle {
	return typed(func(r *request, req *kmsg.RenewDelegationTokenRequest) {
		resp := req.ResponseKind().(*kmsg.RenewDelegationTokenResponse)
		resp.ErrorCode, resp.ExpiryTimestamp = kerr.DelegationTokenRequestNotAllowed.Code, -1
		r.reply(resp)
	})
}

func (s *Server) expireDelegationToken() handle {
	return typed(func(r *request, req *kmsg.ExpireDelegationTokenRequest) {
		resp := req.ResponseKind().(*kmsg.ExpireDelegationTokenResponse)
		resp.ErrorCode, resp.ExpiryTimestamp = kerr.DelegationTokenRequestNotAllowed.Code, -1
		r.reply(resp)
	})
}
