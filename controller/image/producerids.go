package image

import "github.com/gregorbroker/gregor/controller/records"

// ProducerIDs says which producer ids are given out.
type ProducerIDs struct {
	// Next is the first id of the next block to be allocated.
	Next int64
}

// replayProducerIDs refuses to go back: an id must never be given out twice.
func (d *Delta) replayProducerIDs(r *records.ProducerIDsRecord) error {
	if r.NextProducerID < 0 || !d.snapshot && r.NextProducerID < d.producerIDs.Next {
		return refuse("next producer id %d after %d", r.NextProducerID, d.producerIDs.Next)
	}
	d.producerIDs.Next, d.sawIDs = r.NextProducerID, true
	return nil
}
