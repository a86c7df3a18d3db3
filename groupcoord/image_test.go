package groupcoord

import (
	"github.com/gregorbroker/gregor/groupcoord/consumer"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// catalog is a consumer.Image, too.

func (c catalog) Topic(name string) (consumer.Topic, bool) {
	e, ok := c[name]
	return consumer.Topic{Name: name, ID: e.id, Partitions: e.n}, ok
}

func (c catalog) TopicByID(id ids.TopicID) (consumer.Topic, bool) {
	name, ok := c.NameOf(id)
	if !ok {
		return consumer.Topic{}, false
	}
	return c.Topic(name)
}

func (c catalog) Racks(string, int32) []string { return nil }
func (c catalog) Version() int64               { return int64(len(c)) }
func (c catalog) Names(f func(string) bool) {
	for name := range c {
		if !f(name) {
			return
		}
	}
}

// view is a catalog that never changes, of which each look at a name can be waited for.
type view struct {
	catalog
	looks func()
}

func (v view) Names(f func(string) bool) {
	v.catalog.Names(func(name string) bool {
		if v.looks != nil {
			v.looks()
		}
		return f(name)
	})
}

// image is for those who never change the catalog.
func (c catalog) image() consumer.Image { return c }
