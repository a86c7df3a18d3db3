package api

import (
	"maps"
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeUserScramCredentials, version 0: which mechanisms users have
// credentials for (KIP-554), and never the credentials.
func describeUserScramCredentialsHandler(cluster *Cluster) Handle {
	if cluster == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r *kmsg.DescribeUserSCRAMCredentialsRequest) {
		resp := r.ResponseKind().(*kmsg.DescribeUserSCRAMCredentialsResponse)
		resp.ErrorMessage = new(string) // Kafka's text for no error is empty here
		known := map[string][]*image.ScramCredential{}
		cluster.Image().Scram.Each(func(x *image.ScramCredential) bool {
			known[x.User] = append(known[x.User], x)
			return true
		})
		count := map[string]int{}
		var users []string
		add := func(user string) {
			if count[user]++; count[user] == 1 {
				users = append(users, user)
			}
		}
		for _, u := range r.Users {
			add(u.Name)
		}
		if len(r.Users) == 0 {
			for _, user := range slices.Sorted(maps.Keys(known)) {
				add(user)
			}
		}
		for _, user := range users {
			resp.Results = append(resp.Results, scramResult(user, known[user], count[user] > 1))
		}
		c.Reply(resp)
	})
}

func scramResult(user string, known []*image.ScramCredential, twice bool) kmsg.DescribeUserSCRAMCredentialsResponseResult {
	out := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
	out.User = user
	refuse := func(err *kerr.Error, text string) kmsg.DescribeUserSCRAMCredentialsResponseResult {
		text += user
		out.ErrorCode, out.ErrorMessage = err.Code, &text
		return out
	}
	switch {
	case twice:
		return refuse(kerr.DuplicateResource, "Cannot describe SCRAM credentials for the same user twice in a single request: ")
	case len(known) == 0:
		return refuse(kerr.ResourceNotFound, "Attempt to describe a user credential that does not exist: ")
	}
	out.ErrorMessage = new(string)
	for _, x := range known {
		out.CredentialInfos = append(out.CredentialInfos, kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo{Mechanism: x.Mechanism, Iterations: x.Iterations})
	}
	return out
}
