package forward

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// negotiated sends every request in the highest version that both sides know,
// so that controllers may be older than their brokers: a cluster of Apache
// Kafka's, or one on its way from a release to the next.
type negotiated struct {
	Peer
	versions map[int16]kmsg.ApiVersionsResponseApiKey // as the controller told; never changed
}

// Negotiate asks a controller which versions it serves. Requests sent through
// the result may be lowered to a version below the one that was set. It closes
// peer when that fails.
func Negotiate(ctx context.Context, peer Peer) (Peer, error) {
	n := &negotiated{Peer: peer, versions: map[int16]kmsg.ApiVersionsResponseApiKey{}}
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, "gregor", "1"
	resp, err := peer.Do(ctx, req)
	if err == nil {
		err = n.learn(resp)
	}
	if err != nil {
		peer.Close()
		return nil, fmt.Errorf("ApiVersions: %w", err)
	}
	return n, nil
}

func (n *negotiated) learn(resp kmsg.Response) error {
	r, ok := resp.(*kmsg.ApiVersionsResponse)
	if !ok {
		return fmt.Errorf("answered with another message: %T", resp)
	}
	for _, k := range r.ApiKeys {
		n.versions[k.ApiKey] = k
	}
	return kerr.ErrorForCode(r.ErrorCode)
}

// Do implements Peer. A request without a common version gives UNSUPPORTED_VERSION.
func (n *negotiated) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	k, ok := n.versions[req.Key()]
	if !ok || k.MinVersion > req.GetVersion() {
		return nil, fmt.Errorf("%s %d is not served by this controller: %w", kmsg.NameForKey(req.Key()), req.GetVersion(), kerr.UnsupportedVersion)
	}
	req.SetVersion(min(req.GetVersion(), k.MaxVersion))
	return n.Peer.Do(ctx, req)
}
