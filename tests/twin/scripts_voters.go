package twin

import "github.com/twmb/franz-go/pkg/kmsg"

func addVoter(cluster *string, id int32, dir byte, listeners ...string) *kmsg.AddRaftVoterRequest {
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.ClusterID, req.TimeoutMillis, req.VoterID, req.VoterDirectoryID = cluster, 1000, id, [16]byte{dir}
	for _, l := range listeners {
		req.Listeners = append(req.Listeners, kmsg.AddRaftVoterRequestListener{Name: l, Host: "127.0.0.1", Port: 1})
	}
	return req
}

func removeVoter(cluster *string, id int32, dir byte) *kmsg.RemoveRaftVoterRequest {
	req := kmsg.NewPtrRemoveRaftVoterRequest()
	req.ClusterID, req.VoterID, req.VoterDirectoryID = cluster, id, [16]byte{dir}
	return req
}

func updateVoter(cluster *string, epoch, id int32, dir byte, listeners ...string) *kmsg.UpdateRaftVoterRequest {
	req := kmsg.NewPtrUpdateRaftVoterRequest()
	req.ClusterID, req.CurrentLeaderEpoch, req.VoterID, req.VoterDirectoryID = cluster, epoch, id, [16]byte{dir}
	req.KRaftVersionFeature.MaxSupportedVersion = 1
	for _, l := range listeners {
		req.Listeners = append(req.Listeners, kmsg.UpdateRaftVoterRequestListener{Name: l, Host: "127.0.0.1", Port: 1})
	}
	return req
}

// voterScripts ask for changes of the voters that are refused: the node that is
// asked stays the only one.
func voterScripts() []Script {
	foreign := kmsg.StringPtr("another-cluster-id-0000")
	ask := func(key int16, name string, run func(r *Run)) Script {
		return Script{Key: key, Name: name, Controller: true, Hide: []string{"LeaderEpoch", "Port", "ErrorMessage"}, Run: run}
	}
	return []Script{
		ask(80, "voter for another cluster", func(r *Run) { r.Send(addVoter(foreign, 77, 7, "CONTROLLER")) }),
		ask(80, "voter that is one", func(r *Run) { r.Send(addVoter(nil, 1, 7, "CONTROLLER")) }),
		ask(80, "voter without a directory", func(r *Run) { r.Send(addVoter(nil, 77, 0, "CONTROLLER")) }),
		ask(80, "negative voter", func(r *Run) { r.Send(addVoter(nil, -5, 7, "CONTROLLER")) }),
		ask(80, "voter without listeners", func(r *Run) { r.Send(addVoter(nil, 77, 7)) }),
		ask(80, "voter without the quorum's listener", func(r *Run) { r.Send(addVoter(nil, 77, 7, "PLAINTEXT")) }),
		{Key: 80, Name: "through a broker", Hide: []string{"ErrorMessage"}, Run: func(r *Run) { r.Send(addVoter(nil, 1, 7, "CONTROLLER")) }},
		ask(81, "voter of another cluster", func(r *Run) { r.Send(removeVoter(foreign, 1, 7)) }),
		ask(81, "voter that is none", func(r *Run) { r.Send(removeVoter(nil, 77, 7)) }),
		ask(81, "another directory", func(r *Run) { r.Send(removeVoter(nil, 1, 7)) }),
		ask(81, "no directory", func(r *Run) { r.Send(removeVoter(nil, 1, 0)) }),
		ask(81, "negative voter", func(r *Run) { r.Send(removeVoter(nil, -5, 7)) }),
		{Key: 81, Name: "through a broker", Hide: []string{"ErrorMessage"}, Run: func(r *Run) { r.Send(removeVoter(nil, 77, 7)) }},
		ask(82, "voter of another cluster", func(r *Run) { r.Send(updateVoter(foreign, 1, 1, 7, "CONTROLLER")) }),
		ask(82, "old epoch", func(r *Run) { r.Send(updateVoter(nil, 0, 1, 7, "CONTROLLER")) }),
		ask(82, "future epoch", func(r *Run) { r.Send(updateVoter(nil, 1000, 1, 7, "CONTROLLER")) }),
		{Key: 64, Name: "through a broker", Run: func(r *Run) {
			req := kmsg.NewPtrUnregisterBrokerRequest()
			req.BrokerID = 77
			r.Send(req)
		}},
		ask(59, "snapshot in an old epoch", func(r *Run) { r.Send(snapshot(nil, metadataTopic, 0, 7)) }),
		ask(59, "snapshot in a future epoch", func(r *Run) { r.Send(snapshot(nil, metadataTopic, 1000, 7)) }),
		ask(59, "snapshot of another topic", func(r *Run) { r.Send(snapshot(nil, r.Name("t"), 1, 7)) }),
	}
}

// untimelyScripts give a request no time at all.
func untimelyScripts() []Script {
	var out []Script
	for _, x := range []struct {
		name string
		ms   int32
	}{{"no time", 0}, {"less than no time", -1}} {
		out = append(out,
			Script{Key: 19, Name: x.name, Run: func(r *Run) {
				req := create(r.Name("t"), 1, 1)
				req.TimeoutMillis = x.ms
				r.Send(req)
			}},
			Script{Key: 20, Name: x.name, Run: func(r *Run) {
				t := r.Topic("t", 1)
				req := kmsg.NewPtrDeleteTopicsRequest()
				req.TimeoutMillis, req.TopicNames = x.ms, []string{t}
				req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &t}}
				r.Send(req)
			}},
			Script{Key: 37, Name: x.name, Run: func(r *Run) {
				req := kmsg.NewPtrCreatePartitionsRequest()
				req.TimeoutMillis = x.ms
				req.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: r.Topic("t", 1), Count: 2}}
				r.Send(req)
			}},
			Script{Key: 43, Name: x.name, Run: func(r *Run) {
				req := election(0, r.Topic("t", 1), 0)
				req.TimeoutMillis = x.ms
				r.Send(req)
			}},
			Script{Key: 46, Name: x.name, Run: func(r *Run) {
				req := reassignments("")
				req.TimeoutMillis = x.ms
				r.Send(req)
			}},
			Script{Key: 57, Name: x.name, Run: func(r *Run) {
				req := feature("share.version", 1, 1, false)
				req.TimeoutMillis = x.ms
				r.Send(req)
			}},
		)
	}
	return out
}
