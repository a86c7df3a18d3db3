package api

import (
	"regexp"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// software is what a client may call itself and its version.
var software = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

// apiVersions: which keys this listener serves and which features the cluster
// runs with. The epoch of the features is where they last changed; brokers tell
// the end of their image instead. Versions 3 and up carry the name of the client's software.
func (s *Server) apiVersions() handle {
	return typed(func(r *request, req *kmsg.ApiVersionsRequest) {
		resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		if req.Version >= 3 && !(software.MatchString(req.ClientSoftwareName) && software.MatchString(req.ClientSoftwareVersion)) {
			resp.ErrorCode = kerr.InvalidRequest.Code
			r.reply(resp)
			return
		}
		resp.ApiKeys = apikey.Advertised(apikey.Controller, s.parts.UnstableVersions)
		s.features(resp)
		r.reply(resp)
	})
}

func (s *Server) features(resp *kmsg.ApiVersionsResponse) {
	for _, f := range image.SupportedFeatures() {
		if resp.Version < 4 && f.Min == 0 {
			continue // clients of those versions cannot read level 0
		}
		k := kmsg.NewApiVersionsResponseSupportedFeature()
		k.Name, k.MinVersion, k.MaxVersion = f.Feature, f.Min, f.Max
		resp.SupportedFeatures = append(resp.SupportedFeatures, k)
	}
	f := s.parts.Active.Image().Features
	resp.FinalizedFeaturesEpoch = -1
	add := func(name string, level int16) bool {
		if level > 0 {
			k := kmsg.NewApiVersionsResponseFinalizedFeature()
			k.Name, k.MinVersionLevel, k.MaxVersionLevel = name, level, level
			resp.FinalizedFeatures = append(resp.FinalizedFeatures, k)
		}
		return true
	}
	if f.IsEmpty() { // no metadata yet: what any cluster has at the least
		add(image.MetadataVersionFeature, int16(image.MinMetadataVersion))
	} else {
		resp.FinalizedFeaturesEpoch = int64(f.Changed)
		f.Each(add)
	}
	add(image.KRaftVersionFeature, s.parts.Quorum.KRaftVersion())
}
