package twin

import "slices"

// Scripts are all questions, by key. To add one, append to the list of its
// file; then record Kafka's answers (see Record) and read the new lines of
// testdata before trusting them.
func Scripts() []Script {
	return slices.Concat(produceScripts(), fetchScripts(), offsetScripts(), metadataScripts(), groupScripts(), consumerScripts(), largeScripts(), edgeScripts(), offsetStoreScripts(), topicScripts(), configScripts(), clusterScripts(), electionScripts(), replicaScripts(), untimelyScripts(), reassignScripts(), moveScripts(), quotaScripts(), scramScripts(), unsecuredScripts(), voterScripts(),
		quorumScripts()) // leaves a controller that supports no feature, so that it comes last
}
