package conn

import (
	"sync"
	"testing"

	"github.com/gregorbroker/gregor/protocol/apikey"
)

// A reader that waits for the budget when the server closes gives back nothing,
// for it has got nothing.
func TestCloseWhileAReaderWaitsForTheBudget(t *testing.T) {
	calls := make(chan *Call, 1)
	s, dial := serve(t, HandlerFunc(func(c *Call) { calls <- c }), Limits{}, Options{RequestBytes: 100 << 10})
	a, b := dial(), dial()
	a.Write(produce(1, 90<<10))
	held := <-calls
	b.Write(produce(2, 90<<10))
	waitUntil(t, func() bool { return countGoroutinesIn("claim") == 1 })
	s.Close()
	answer(held)
	if !s.budget.sem.TryAcquire(100 << 10) {
		t.Error("some of the budget is lost")
	}
}

// A reply that is due goes out before its reader waits for what others hold.
func TestRepliesDoNotWaitForTheBudget(t *testing.T) {
	_, dial := serve(t, HandlerFunc(answer), Limits{}, Options{RequestBytes: 100 << 10})
	slow, c := dial(), dial()
	body := produce(1, 90<<10)
	slow.Write(body[:1000])
	waitUntil(t, func() bool { return countGoroutinesIn("readFull") == 1 })
	c.Write(append(request(apikey.Metadata, 1, 1), produce(2, 90<<10)...))
	readReply(t, c)
	slow.Write(body[1000:])
	readReply(t, slow)
	readReply(t, c)
}

// Members of a group wait for each other: none may keep the others' requests
// from being read.
func TestWaitingCallsHoldNoBudget(t *testing.T) {
	var mu sync.Mutex
	var joined []*Call
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		mu.Lock()
		defer mu.Unlock()
		if joined = append(joined, c); len(joined) == 2 {
			answer(joined[0])
			answer(joined[1])
		}
	}), Limits{}, Options{RequestBytes: 100 << 10})
	a, b := dial(), dial()
	a.Write(request(apikey.JoinGroup, 0, 1, make([]byte, 90<<10)...))
	b.Write(request(apikey.JoinGroup, 0, 2, make([]byte, 90<<10)...))
	readReply(t, a)
	readReply(t, b)
}

// A handler that panics with a request in its hands loses none of the budget.
func TestPanicGivesTheBudgetBack(t *testing.T) {
	_, dial := serve(t, HandlerFunc(func(c *Call) {
		if c.Header.CorrelationID == 13 {
			panic("of the test")
		}
		answer(c)
	}), Limits{}, Options{RequestBytes: 100 << 10})
	bad, good := dial(), dial()
	bad.Write(produce(13, 90<<10))
	mustBeClosed(t, bad)
	good.Write(produce(1, 90<<10))
	readReply(t, good)
}
