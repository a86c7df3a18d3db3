package api

import (
	"regexp"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ApiVersions, versions 0 to 4: the first question on nearly every connection.
// The keys come from apikey's table, the features from the image.
//
// v1 throttle  v3 flexible, features, the client's software name and version
// v4 features whose lowest level is 0 (older clients cannot read those)
//
// A version that does not exist is answered by conn, before authentication.
type apiVersions struct {
	cluster   *Cluster
	keys      []kmsg.ApiVersionsResponseApiKey
	supported [2][]kmsg.ApiVersionsResponseSupportedFeature // below v4, v4
}

func apiVersionsHandler(cluster *Cluster, unstable bool) Handle {
	if cluster == nil {
		return nil
	}
	a := &apiVersions{cluster: cluster, keys: apikey.Advertised(apikey.Broker, unstable)}
	for _, f := range image.SupportedFeatures() {
		s := kmsg.NewApiVersionsResponseSupportedFeature()
		s.Name, s.MinVersion, s.MaxVersion = f.Feature, f.Min, f.Max
		a.supported[1] = append(a.supported[1], s)
		if f.Min > 0 {
			a.supported[0] = append(a.supported[0], s)
		}
	}
	return Typed(a.handle)
}

// softwareName is what KIP-511 lets clients call themselves and their version.
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$`)

func (a *apiVersions) handle(c *conn.Call, r *kmsg.ApiVersionsRequest) {
	resp := r.ResponseKind().(*kmsg.ApiVersionsResponse)
	if r.Version >= 3 && (!softwareName.MatchString(r.ClientSoftwareName) || !softwareName.MatchString(r.ClientSoftwareVersion)) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		c.Reply(resp)
		return
	}
	resp.ApiKeys = a.keys
	if r.Version >= 3 {
		c.Conn.SetSoftware(r.ClientSoftwareName, r.ClientSoftwareVersion)
		a.features(resp)
	}
	c.Reply(resp)
}

func (a *apiVersions) features(resp *kmsg.ApiVersionsResponse) {
	resp.SupportedFeatures = a.supported[0]
	if resp.Version >= 4 {
		resp.SupportedFeatures = a.supported[1]
	}
	img := a.cluster.Image()
	resp.FinalizedFeaturesEpoch = int64(img.Provenance.Last.Offset)
	resp.FinalizedFeatures = make([]kmsg.ApiVersionsResponseFinalizedFeature, 0, len(a.supported[1]))
	add := func(name string, level int16) bool {
		if level > 0 {
			f := kmsg.NewApiVersionsResponseFinalizedFeature()
			f.Name, f.MinVersionLevel, f.MaxVersionLevel = name, level, level
			resp.FinalizedFeatures = append(resp.FinalizedFeatures, f)
		}
		return true
	}
	img.Features.Each(add)
	if a.cluster.KRaftVersion != nil {
		add(image.KRaftVersionFeature, a.cluster.KRaftVersion())
	}
}
