// Package assignortest compares the assignors with Apache Kafka's: groups at
// random, what Kafka makes of them, as text that a Java program reads and writes,
// and what may differ.
//
// A case as text, and behind the line "=" the answer:
//
//	uniform
//	topic 1 3 a.b b.c c.a        number, partitions, the racks of each one's replicas
//	member m1 - a 1,2 1:0,2 2:1  id, instance, rack, topics, what it had
//	=
//	m1 1:0,1 2:1
//	(an empty line)
//
// A dash stands for nothing. Topic n has the id of which the last two bytes are n.
package assignortest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/groupcoord/assignor"
	"github.com/gregorbroker/gregor/protocol/ids"
)

// Case is a group to be assigned, and what Apache Kafka's assignor answered.
type Case struct {
	Assignor string
	Topics   []Topic
	Members  []assignor.Member
	Kafka    []assignor.Assignment // by member; nil: not asked yet
}

// Topic is one topic; Racks are those of the replicas of each partition.
type Topic struct {
	ID    ids.TopicID
	Racks [][]string
}

// Group is the case as our assignors want it.
func (c *Case) Group() assignor.Group {
	topics := map[ids.TopicID]*Topic{}
	for i := range c.Topics {
		topics[c.Topics[i].ID] = &c.Topics[i]
	}
	return assignor.Group{
		Members: c.Members,
		Partitions: func(id ids.TopicID) int32 {
			if t := topics[id]; t != nil {
				return int32(len(t.Racks))
			}
			return 0
		},
		Racks: func(id ids.TopicID, p int32) []string { return topics[id].Racks[p] },
	}
}

func topicID(n int) ids.TopicID     { return ids.TopicID{14: byte(n >> 8), 15: byte(n)} }
func numberOf(id ids.TopicID) int   { return int(id[14])<<8 | int(id[15]) }
func orDash(s string) string        { return defaultTo(s, "-") }
func defaultTo(s, to string) string { return map[bool]string{true: to, false: s}[s == ""] }

// Question is the case as text, up to and with the line "=".
func (c *Case) Question() string {
	var b strings.Builder
	fmt.Fprintln(&b, c.Assignor)
	for _, t := range c.Topics {
		fmt.Fprint(&b, "topic ", numberOf(t.ID), " ", len(t.Racks))
		for _, r := range t.Racks {
			fmt.Fprint(&b, " ", orDash(strings.Join(r, ".")))
		}
		fmt.Fprintln(&b)
	}
	for _, m := range c.Members {
		var topics []string
		for _, id := range m.Topics {
			topics = append(topics, strconv.Itoa(numberOf(id)))
		}
		fmt.Fprintln(&b, "member", m.ID, optional(m.Instance), optional(m.Rack), orDash(strings.Join(topics, ","))+text(m.Owned))
	}
	fmt.Fprintln(&b, "=")
	return b.String()
}

// Answer is what Kafka answered, as text, with the empty line.
func (c *Case) Answer() string {
	var b strings.Builder
	for i, a := range c.Kafka {
		fmt.Fprintln(&b, c.Members[i].ID+text(a))
	}
	fmt.Fprintln(&b)
	return b.String()
}

func optional(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// text is an assignment with a blank before each topic.
func text(a assignor.Assignment) string {
	var b strings.Builder
	for _, t := range a {
		b.WriteString(fmt.Sprint(" ", numberOf(t.Topic), ":"))
		for i, p := range t.Partitions {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(int(p)))
		}
	}
	return b.String()
}

// Read reads cases with their answers.
func Read(r io.Reader) (cases []*Case, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		c := &Case{Assignor: lines.Text()}
		for lines.Scan() && lines.Text() != "=" {
			if err := c.readLine(strings.Fields(lines.Text())); err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
		}
		if err := c.ReadAnswer(lines); err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	return cases, lines.Err()
}

func (c *Case) readLine(f []string) error {
	switch {
	case len(f) >= 3 && f[0] == "topic":
		n, err := strconv.Atoi(f[1])
		if err != nil {
			return err
		}
		t := Topic{ID: topicID(n)}
		for _, racks := range f[3:] {
			t.Racks = append(t.Racks, strings.Split(strings.TrimPrefix(racks, "-"), "."))
		}
		c.Topics = append(c.Topics, t)
		return nil
	case len(f) >= 5 && f[0] == "member":
		owned, err := parse(f[5:])
		m := assignor.Member{ID: f[1], Owned: owned}
		if f[2] != "-" {
			m.Instance = &f[2]
		}
		if f[3] != "-" {
			m.Rack = &f[3]
		}
		for _, topic := range strings.Split(strings.TrimPrefix(f[4], "-"), ",") {
			if n, err := strconv.Atoi(topic); err == nil {
				m.Topics = append(m.Topics, topicID(n))
			}
		}
		c.Members = append(c.Members, m)
		return err
	default:
		return fmt.Errorf("neither a topic nor a member")
	}
}

// ReadAnswer reads what Kafka answered, up to the empty line.
func (c *Case) ReadAnswer(lines *bufio.Scanner) error {
	c.Kafka = make([]assignor.Assignment, len(c.Members))
	at := map[string]int{}
	for i := range c.Members {
		at[c.Members[i].ID] = i
	}
	for lines.Scan() && lines.Text() != "" {
		f := strings.Fields(lines.Text())
		i, known := at[f[0]]
		if !known {
			return fmt.Errorf("an answer for %q", lines.Text())
		}
		var err error
		if c.Kafka[i], err = parse(f[1:]); err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
	}
	return lines.Err()
}

func parse(fields []string) (a assignor.Assignment, err error) {
	for _, f := range fields {
		topic, list, _ := strings.Cut(f, ":")
		n, err := strconv.Atoi(topic)
		if err != nil {
			return nil, err
		}
		t := assignor.TopicPartitions{Topic: topicID(n)}
		for _, p := range strings.Split(list, ",") {
			x, err := strconv.Atoi(p)
			if err != nil {
				return nil, err
			}
			t.Partitions = append(t.Partitions, int32(x))
		}
		a = append(a, t)
	}
	return a, nil
}
