package api

import "github.com/twmb/franz-go/pkg/kmsg"

// fetch: the metadata log is read by followers and observers.
func (s *Server) fetch() handle {
	return typed(func(r *request, req *kmsg.FetchRequest) {
		if id := replicaOf(req); id >= 0 && id != int32(s.parts.Node.ID) {
			s.parts.Active.PeerSeen()
		}
		s.parts.Quorum.Handle(req, r.reply)
	})
}

// replicaOf is who reads; from version 15 on it stands in a tagged field.
func replicaOf(req *kmsg.FetchRequest) int32 {
	if req.Version >= 15 {
		return req.ReplicaState.ID
	}
	return req.ReplicaID
}
