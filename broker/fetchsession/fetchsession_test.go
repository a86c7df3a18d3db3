package fetchsession

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// client plays the client's side of the protocol.
type client struct {
	t         *testing.T
	c         *Cache
	id, epoch int32
}

func parts(n ...int32) (out []Partition) {
	for _, i := range n {
		out = append(out, Partition{Key: Key{Name: "t", Partition: i}, MaxBytes: 100})
	}
	return out
}

// fetch sends one request and answers it with results; it returns the
// partitions that were sent, in order.
func (cl *client) fetch(req Request, results func(Partition) Result) []int32 {
	cl.t.Helper()
	req.ID, req.Epoch = cl.id, cl.epoch
	f, err := cl.c.Open(&req)
	if err != nil {
		cl.t.Fatal(err)
	}
	var rs []Result
	for _, p := range f.Partitions {
		rs = append(rs, results(p))
	}
	include := make([]bool, len(rs))
	id, err := f.Reply(rs, include)
	if err != nil {
		cl.t.Fatal(err)
	}
	cl.id, cl.epoch = id, nextEpoch(cl.epoch)
	var sent []int32
	for i, p := range f.Partitions {
		if include[i] {
			sent = append(sent, p.Partition)
		}
	}
	return sent
}

func equal(a []int32, b ...int32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func nothing(Partition) Result { return Result{HighWatermark: 5} }

func newClient(t *testing.T, slots int) (*client, *int64) {
	now := new(int64)
	return &client{t: t, c: New(slots, func() int64 { return *now })}, now
}

func TestIncrementalSendsOnlyNews(t *testing.T) {
	cl, _ := newClient(t, 10)
	if got := cl.fetch(Request{Partitions: parts(0, 1, 2)}, nothing); !equal(got, 0, 1, 2) || cl.id == 0 {
		t.Fatalf("full fetch sent %v in session %d", got, cl.id)
	}
	if got := cl.fetch(Request{}, nothing); len(got) != 0 {
		t.Fatalf("nothing new, sent %v", got)
	}
	// Partition 0 has records: sent, and the last one next time.
	withRecords := func(p Partition) Result { return Result{HighWatermark: 5, Bytes: 10 * int(1-min(p.Partition, 1))} }
	if got := cl.fetch(Request{}, withRecords); !equal(got, 0) {
		t.Fatalf("sent %v", got)
	}
	everything := func(Partition) Result { return Result{HighWatermark: 6, Bytes: 1} }
	if got := cl.fetch(Request{}, everything); !equal(got, 1, 2, 0) {
		t.Fatalf("order %v: who was served last must come last", got)
	}
	// Forget 1, add 3: the new one is sent whatever its state.
	if got := cl.fetch(Request{Partitions: parts(3), Forgotten: []Key{{Name: "t", Partition: 1}}}, func(p Partition) Result { return Result{HighWatermark: 6} }); !equal(got, 3) {
		t.Fatalf("sent %v", got)
	}
	failed := func(p Partition) Result {
		return Result{HighWatermark: ids.NoOffset, LogStart: ids.NoOffset, Error: p.Partition == 2}
	}
	cl.fetch(Request{}, failed)
	if got := cl.fetch(Request{}, func(p Partition) Result { return Result{HighWatermark: 6} }); !equal(got, 2, 0, 3) {
		t.Fatalf("sent %v after an error was over", got)
	}
}

// What is news to a client, one thing at a time.
func TestWhatIsNews(t *testing.T) {
	cl, _ := newClient(t, 10)
	told := Result{HighWatermark: 5, LogStart: 1, Topic: "t"}
	cl.fetch(Request{Partitions: parts(0)}, func(Partition) Result { return told })
	for name, r := range map[string]Result{
		"records":            {HighWatermark: 5, LogStart: 1, Bytes: 1},
		"an error":           {HighWatermark: 5, LogStart: 1, Error: true},
		"the high watermark": {HighWatermark: 6, LogStart: 1},
		"the log's start":    {HighWatermark: 5, LogStart: 2},
		"a log that differs": {HighWatermark: 5, LogStart: 1, Notable: true},
	} {
		if got := cl.fetch(Request{}, func(Partition) Result { return r }); len(got) != 1 {
			t.Errorf("%s: sent %v", name, got)
		}
		again := cl.fetch(Request{}, func(Partition) Result { return told })
		if changed := r.Error || r.HighWatermark != told.HighWatermark || r.LogStart != told.LogStart; (len(again) == 1) != changed {
			t.Errorf("after %s: sent %v", name, again)
		}
	}
	if got := cl.fetch(Request{}, func(Partition) Result { return told }); len(got) != 0 {
		t.Errorf("nothing new: sent %v", got)
	}
}

// The name of a topic stays with its partition, also when the client changes what it asks.
func TestTopicIsRemembered(t *testing.T) {
	cl, _ := newClient(t, 10)
	var seen []string
	look := func(name string) func(Partition) Result {
		return func(p Partition) Result {
			seen = append(seen, p.Topic)
			return Result{Topic: name}
		}
	}
	cl.fetch(Request{Partitions: parts(0)}, look(""))
	cl.fetch(Request{}, look("t"))
	cl.fetch(Request{Partitions: parts(0)}, look("t"))
	if !slices.Equal(seen, []string{"", "", "t"}) {
		t.Errorf("%q", seen)
	}
}

func TestErrors(t *testing.T) {
	cl, _ := newClient(t, 10)
	cl.fetch(Request{Partitions: parts(0)}, nothing)
	for _, c := range []struct {
		r    Request
		want error
	}{
		{Request{ID: cl.id + 1, Epoch: 1}, ErrNotFound},
		{Request{ID: cl.id, Epoch: 7}, ErrEpoch},
		{Request{ID: cl.id, Epoch: 1, UsesIDs: true}, ErrTopicID},
	} {
		if _, err := cl.c.Open(&c.r); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.r, err, c.want)
		}
	}
	// A repeated request overtakes the reply of the first.
	first, err := cl.c.Open(&Request{ID: cl.id, Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cl.c.Open(&Request{ID: cl.id, Epoch: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Reply(make([]Result, 1), make([]bool, 1)); !errors.Is(err, ErrEpoch) {
		t.Fatalf("late reply: %v", err)
	}
}

func TestClosing(t *testing.T) {
	cl, _ := newClient(t, 10)
	cl.fetch(Request{Partitions: parts(0)}, nothing)
	id := cl.id
	if got := cl.fetch(Request{Forgotten: []Key{{Name: "t"}}}, nothing); len(got) != 0 || cl.id != 0 {
		t.Fatalf("a session without partitions lives on: %v %d", got, cl.id)
	}
	cl.id, cl.epoch = 0, 0
	cl.fetch(Request{Partitions: parts(0)}, nothing)
	id = cl.id
	cl.epoch = finalEpoch
	if got := cl.fetch(Request{Partitions: parts(4)}, nothing); !equal(got, 4) || cl.id != 0 {
		t.Fatalf("final epoch: %v, session %d", got, cl.id)
	}
	if _, err := cl.c.Open(&Request{ID: id, Epoch: 1}); !errors.Is(err, ErrNotFound) {
		t.Fatalf("closed session: %v", err)
	}
}

func TestEviction(t *testing.T) {
	open := func(c *Cache, privileged bool, n int) int32 {
		f, err := c.Open(&Request{Privileged: privileged, Partitions: parts(make([]int32, 0)...)})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			f.Partitions = append(f.Partitions, Partition{Key: Key{Name: "t", Partition: int32(i)}})
		}
		id, _ := f.Reply(make([]Result, n), make([]bool, n))
		return id
	}
	now := int64(0)
	c := New(2, func() int64 { return now })
	small, large := open(c, false, 1), open(c, false, 3)
	if open(c, false, 2) != 0 {
		t.Fatal("a young session was evicted by its like")
	}
	follower := open(c, true, 1)
	if follower == 0 || c.sessions[small] != nil {
		t.Fatal("a follower takes the slot of the smallest consumer")
	}
	now = staleAfter + 1
	c.sessions[large].lastUsed, c.sessions[follower].lastUsed = now, now
	if open(c, false, 3) != 0 {
		t.Fatal("an old session yields only to a larger one")
	}
	bigger := open(c, false, 4)
	if bigger == 0 || c.sessions[large] != nil {
		t.Fatal("an old, smaller session yields")
	}
	now += staleAfter + 1
	c.sessions[bigger].lastUsed = now
	if open(c, false, 1) == 0 || c.sessions[follower] != nil {
		t.Fatal("a stale session yields to any")
	}
	if n, _ := c.Len(); n != 2 || c.evicted != 3 {
		t.Fatalf("%d sessions, %d evicted", n, c.evicted)
	}
}

// What all sessions name together is bounded; whoever wants more has no session,
// and whoever closes one, or forgets, makes room.
func TestRoom(t *testing.T) {
	a, now := newClient(t, 10)
	a.c.room = 5
	b := &client{t: t, c: a.c}
	a.fetch(Request{Partitions: parts(0, 1, 2)}, nothing)
	if got := b.fetch(Request{Partitions: parts(0, 1, 2)}, nothing); len(got) != 3 || b.id != 0 {
		t.Fatalf("sent %v in session %d", got, b.id)
	}
	b.epoch = 0
	if b.fetch(Request{Partitions: parts(0, 1)}, nothing); b.id == 0 {
		t.Fatal("no session though there is room")
	}
	if _, err := a.c.Open(&Request{ID: a.id, Epoch: a.epoch, Partitions: parts(3)}); !errors.Is(err, ErrNotFound) {
		t.Fatalf("a session that grows beyond the room: %v", err)
	}
	a.id, a.epoch = 0, 0
	a.fetch(Request{Partitions: parts(0, 1, 2)}, nothing)
	a.fetch(Request{Partitions: parts(3), Forgotten: []Key{{Name: "t", Partition: 1}}}, nothing) // one for one
	b.epoch = finalEpoch
	b.fetch(Request{}, nothing)
	if sessions, partitions := a.c.Len(); sessions != 1 || partitions != 3 || a.id == 0 {
		t.Fatalf("%d sessions of %d partitions", sessions, partitions)
	}
	a.fetch(Request{Forgotten: []Key{{Name: "t"}, {Name: "t", Partition: 2}, {Name: "t", Partition: 3}}}, nothing)
	if _, partitions := a.c.Len(); partitions != 0 {
		t.Fatalf("%d partitions left", partitions)
	}
	a.id, a.epoch, b.id, b.epoch = 0, 0, 0, 0
	a.fetch(Request{Partitions: parts(0, 1, 2)}, nothing)
	*now += staleAfter + 1
	b.fetch(Request{Partitions: parts(0, 1, 2)}, nothing)
	if sessions, partitions := a.c.Len(); b.id == 0 || sessions != 1 || partitions != 3 {
		t.Fatalf("a session that nobody uses any more keeps another from its room: %d sessions of %d partitions", sessions, partitions)
	}
}

func TestDuplicatesAndWrap(t *testing.T) {
	in := parts(1, 2, 1)
	in[2].Offset = 9
	out := dedupe(in)
	if len(out) != 2 || out[0].Partition != 1 || out[0].Offset != 9 {
		t.Fatalf("%+v", out)
	}
	if nextEpoch(math.MaxInt32) != 1 || nextEpoch(finalEpoch) != finalEpoch || nextEpoch(0) != 1 {
		t.Fatal("epochs")
	}
}
