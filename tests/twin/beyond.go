package twin

// beyond is what is meant to differ from Apache Kafka and what no single
// question and answer shows: behaviour over time, bounds, order. Printed in
// docs/COMPATIBILITY.md.
var beyond = []string{
	"A malformed request costs its connection, as in Kafka; gregor also refuses what Kafka's decoder lets pass: tagged fields of another version, known tags of the wrong size, more than 1024 unknown tags in a request, and requests that would take more than 1 MiB + 16 times their size (at most 64 MiB) in memory.",
	"A produced batch may unpack to at most 16 times max.message.bytes, at least 16 MiB (MESSAGE_TOO_LARGE beyond); Kafka has no bound.",
	"All fetch sessions together name at most 1,048,576 partitions; beyond that a Fetch gets no session, as when the slots are full. Kafka bounds the sessions only.",
	"A request that names the same resource, group or partition more than 16 times is told INVALID_REQUEST from the 17th on (DescribeConfigs, DescribeGroups, ConsumerGroupDescribe, OffsetFetch, DescribeProducers); Kafka has no bound.",
	"A Fetch that waits is answered at once when another request arrives behind it on the same connection; in Kafka the request behind it waits for the fetch.",
	"Bytes on disk that are not what was written are never served: a Fetch of a damaged batch is answered CORRUPT_MESSAGE, and the batches in front of it are served. Kafka looks at headers only: it serves batches whose records were changed (error code 0), for the client's checksum to find, or not, if the client does not check.",
	"Indexes of active segments hold their entries only; Kafka preallocates them to segment.index.bytes. Either opens the other's.",
	"flush.ms is obeyed within a second of its time; Kafka looks every log.flush.scheduler.interval.ms, which by default is never.",
	"A partition without a record has no folder; Kafka makes an empty one.",
	"InitProducerId waits for the first block of ids; Kafka answers COORDINATOR_LOAD_IN_PROGRESS until it has one.",
	"Transactional producers find no coordinator yet: InitProducerId with a transactional id is answered NOT_COORDINATOR, FindCoordinator COORDINATOR_NOT_AVAILABLE.",
	"A JoinGroup or SyncGroup that a member repeats while the first is held: the first is answered REBALANCE_IN_PROGRESS, Kafka never answers it.",
	"A member turned away with GROUP_MAX_SIZE_REACHED may complete the rebalance at once; Kafka waits for the timeout.",
	"A SyncGroup that waits when its member leaves is answered UNKNOWN_MEMBER_ID; Kafka never answers it.",
	"An OffsetFetch that names topics never tells an offset that was committed for an earlier topic of that name.",
	"Ties in the vote for a group's protocol go to the preference of the member that is longest in it; Kafka takes hash order.",
	"An OffsetFetch that asks for what is just being committed waits for the commit.",
	"A registration of the controller's own node id replaces an older one at once, so that a combined node need not wait out its session after kill -9.",
	"Placement over racks moves one broker further after each turn of the racks, so that leaders spread evenly; both are valid placements.",
	"A request to the controller whose commit takes longer than its timeout is answered REQUEST_TIMED_OUT; Kafka bounds only the wait before it is decided.",
	"A replica that leaves a partition is not kept among its eligible leaders; Kafka keeps its name there.",
	"NoOp records are written to the metadata log only while somebody else follows it, so that an idle single node leaves its disk alone.",
	"A property that several checks refuse is reported by all of them, a line each; Kafka stops at the first.",
	"DescribeConfigs with documentation tells gregor's own sentences.",
	"Keys that name Java classes are accepted as text and have no effect, but for an authorizer's: a node does not start with one, nor with a listener that is to speak TLS or SASL, nor with a value that a configuration provider is to fill in.",
}
