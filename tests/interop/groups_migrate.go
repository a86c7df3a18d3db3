package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// migrates moves a living group from the classic protocol to KIP-848 and back,
// member by member: while both are in it, each partition has one owner, every
// record is read, and the committed offsets stay.
func (t *c) migrates(client string) {
	_, err := t.program(client)
	t.check(err)
	ctx, cancel := patience()
	defer cancel()
	topic := "groups-migrate-" + client
	g := t.crew(ctx, topic)
	defer g.kill()
	t.topic(topic, groupPartitions)
	n := 0
	more := func() {
		t.fillAll(topic, 100)
		n += 100
		g.hasRead(topic, n*groupPartitions)
	}
	be := func(kind string, consumer bool, members ...string) {
		for _, m := range members {
			if g.of[m] != "" {
				g.tell(m, "stop")
			}
			g.start(client, m, topic, consumer)
		}
		g.shared(groupPartitions, 3)
		g.isOf(kind)
		more()
	}
	be("classic", false, "a", "b", "c")
	be("consumer", true, "a") // b and c go on in the classic protocol
	be("consumer", true, "b", "c")
	be("consumer", false, "b", "c")
	g.tell("a", "stop") // the last one of KIP-848
	g.shared(groupPartitions, 2)
	g.isOf("classic")
	more()
	g.stopAll()
	t.check(g.ledger.Judge())
	g.committed(topic, groupPartitions, int64(n))
}

// isOf checks the type that the coordinator gives the group.
func (g *crew) isOf(kind string) {
	cl := g.kgo()
	defer cl.Close()
	req := kmsg.NewPtrListGroupsRequest()
	resp, err := req.RequestWith(g.ctx, cl)
	g.check(err)
	for _, l := range resp.Groups {
		if l.Group == g.group && l.GroupType == kind {
			return
		}
	}
	g.check(fmt.Errorf("the group is not of type %s: %+v", kind, resp.Groups))
}
