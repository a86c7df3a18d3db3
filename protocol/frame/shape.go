package frame

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/schema"
)

// messageText describes every request and response of Kafka 4.3.1; see
// protocol/schema/fromkafka for how it is made.
//
//go:embed messages.txt
var messageText string

// direction tells requests from responses of the same key.
type direction uint8

const (
	request direction = iota
	response
	directions
)

var directionNames = [directions]string{"request", "response"}

// message is one description: its text until a version is first needed, then
// the shape of each version that was.
type message struct {
	text     string
	head     schema.Message // without fields
	versions []atomic.Pointer[shape]
}

// catalog finds messages by direction and key.
type catalog [directions][]message

// messages is made at the first use, from the head lines only: a process that
// sees ten keys parses ten messages.
var messages = sync.OnceValue(func() *catalog {
	c := new(catalog)
	for d := range c {
		c[d] = make([]message, len(apikey.All()))
	}
	for at := 0; at < len(messageText); {
		end := at + messageEnd(messageText[at:])
		c.add(messageText[at:end])
		at = end
	}
	return c
})

// messageEnd is the length of the message that text begins with: up to the
// next line that is not indented.
func messageEnd(text string) int {
	for at := 0; ; {
		line := strings.IndexByte(text[at:], '\n') + 1
		if at += line; line == 0 || at == len(text) {
			return len(text)
		}
		if text[at] != ' ' {
			return at
		}
	}
}

func (c *catalog) add(text string) {
	head, _, _ := strings.Cut(text, "\n")
	m := mustParse(head)
	d := request
	if m.Kind == directionNames[response] {
		d = response
	}
	c[d][m.Key] = message{text: text, head: m, versions: make([]atomic.Pointer[shape], m.Versions.Max+1)}
}

// mustParse parses our own text, which tests cover whole.
func mustParse(text string) schema.Message {
	m, err := schema.Parse(text)
	if err != nil || len(m) != 1 {
		panic(fmt.Sprintf("frame: messages.txt: %v: %.80q", err, text))
	}
	return m[0]
}

// get returns the message of a key, nil if there is none.
func (c *catalog) get(d direction, key apikey.Key) *message {
	if key < 0 || int(key) >= len(c[d]) || c[d][key].text == "" {
		return nil
	}
	return &c[d][key]
}

// shapeOf returns the shape of a message in a version, nil if it does not exist.
func shapeOf(d direction, key apikey.Key, version int16) *shape {
	m := messages().get(d, key)
	if m == nil || !m.head.Versions.Has(version) {
		return nil
	}
	if s := m.versions[version].Load(); s != nil {
		return s
	}
	// Two goroutines may compile the same shape; both results are the same.
	full := mustParse(m.text)
	s := compile(full.Fields, version, full.Flexible.Has(version))
	m.versions[version].Store(s)
	return s
}

// requestFlexible tells whether requests of the version have header version 2.
func requestFlexible(key apikey.Key, version int16) bool {
	m := messages().get(request, key)
	return m != nil && m.head.Flexible.Has(version)
}

// responseFlexible tells whether responses have header version 1.
func responseFlexible(key apikey.Key, version int16) bool {
	return key != apikey.ApiVersions && requestFlexible(key, version)
}
