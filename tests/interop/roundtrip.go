package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gregorbroker/gregor/tests/clients"
)

// roundTrips runs the produce, consume, commit and resume of tests/clients
// through every client and codec: one case each.
func (s *suite) roundTrips() {
	for _, codec := range clients.Codecs {
		s.run("client/franz-go/"+codec, func(t *c) {
			t.topic("clients-franz-go-"+codec, 3)
			ctx, cancel := patience()
			defer cancel()
			r, err := clients.Franz(ctx, t.srv.Addr(), *count, codec)
			t.check(err)
			t.check(r.Check(*count))
			t.check(clients.Verify(ctx, t.srv.Addr(), "clients-franz-go-"+codec, codec, *count))
		})
	}
	if s.home != "" {
		cs, err := clients.Java(s.cache, s.home)
		s.programs(cs, err, "java")
	} else {
		s.skip("client/java", "Apache Kafka's jars could not be fetched", len(clients.Codecs))
	}
	cs, err := clients.Python(s.cache)
	s.programs(cs, err, "confluent-python", "aiokafka")
	cs, native, err := clients.Node(s.cache)
	s.programs(cs, err, "kafkajs")
	if err == nil {
		err = native
	}
	if err != nil {
		s.programs(nil, err, "confluent-javascript")
	}
}

// programs runs installed client programs, or accounts for those that could not be installed.
func (s *suite) programs(cs []clients.Client, err error, names ...string) {
	var missing clients.Missing
	switch {
	case errors.As(err, &missing):
		for _, n := range names {
			s.skip("client/"+n, err.Error(), len(clients.Codecs))
		}
	case err != nil:
		for _, n := range names {
			s.run("client/"+n, func(t *c) { t.fatalf("install: %v", err) })
		}
	}
	for _, cl := range cs {
		s.program(cl)
	}
}

// program runs one client for all codecs in one process, since starting it costs
// more than a round trip, and then judges each codec as a case.
func (s *suite) program(cl clients.Client) {
	if !s.filter.MatchString("client/" + cl.Name) {
		return
	}
	var res map[string]clients.Result
	start := time.Now()
	s.run("client/"+cl.Name+"/program", func(t *c) {
		for _, codec := range clients.Codecs {
			t.topic(fmt.Sprintf("clients-%s-%s", cl.Name, codec), 3)
		}
		cmd := cl.Command(t.srv.Addr(), *count, clients.Codecs)
		out, err := t.execFor(cmd, "", 5*time.Minute)
		var bad error
		res, bad = clients.Parse(out)
		t.check(errors.Join(err, bad))
	})
	for _, codec := range clients.Codecs {
		s.run("client/"+cl.Name+"/"+codec, func(t *c) {
			r, ok := res[codec]
			if !ok {
				t.fatalf("the program printed no result for %s (%.0f s)", codec, time.Since(start).Seconds())
			}
			t.check(r.Check(*count))
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			t.check(clients.Verify(ctx, t.srv.Addr(), fmt.Sprintf("clients-%s-%s", cl.Name, codec), codec, *count))
		})
	}
}
