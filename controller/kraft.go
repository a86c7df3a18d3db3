package controller

// KRaftVersion is the finalized level of kraft.version, which the quorum keeps
// and no image has.
func (c *Controller) KRaftVersion() int16 { return quorum{c.node}.KRaftVersion() }
