package image

// ProducerIDs says which producer ids are given out.
type ProducerIDs struct {
	// Next is the first id of the next block to be allocated.
	Next int64
}
