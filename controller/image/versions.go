package image

// MetadataVersion is a level of metadata.version, KRaft's own feature: it says
// which records and record versions may be written.
type MetadataVersion int16

// MetadataVersionFeature and the other features of Apache Kafka 4.3.1.
const (
	MetadataVersionFeature    = "metadata.version"
	KRaftVersionFeature       = "kraft.version"
	TransactionVersionFeature = "transaction.version"
	GroupVersionFeature       = "group.version"
	ELRVersionFeature         = "eligible.leader.replicas.version"
	ShareVersionFeature       = "share.version"
	StreamsVersionFeature     = "streams.version"
)
