package groupcoord

import (
	"testing"
	"testing/synctest"

	"github.com/gregorbroker/gregor/groupcoord/runtime"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetCommit is CommitOffsets whose replies nobody has to send.
func (s *Service) OffsetCommit(req *kmsg.OffsetCommitRequest, reply func(*kmsg.OffsetCommitResponse)) {
	s.CommitOffsets(req, nil, reply)
}

// outbox notes in what order replies come and are sent.
type outbox struct{ in, sent, sends int }

func (o *outbox) Send() { o.sends, o.sent = o.sends+1, o.in }

// busy keeps the group's shard from working until the returned function is called.
// It has begun when busy returns: what comes after is not taken from the queue
// together with it, but with all that queue up until then.
func (h *house) busy(group string) func() {
	begun, stop := make(chan struct{}), make(chan struct{})
	h.svc.do(group, func(*shard, int64) runtime.Outcome { close(begun); <-stop; return runtime.Outcome{} }, nil)
	<-begun
	return func() { close(stop) }
}

// Commits of one group that queue up take one append, although each has to look
// at the group; and their replies are sent together.
func TestCommitsOfAGroupShareAnAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		defer h.svc.Close()
		h.lead(1)
		ask(h.svc.OffsetCommit, commitOf("g", "t", 8, 1)) // the group is there
		release := h.busy("g")
		before := h.log.Appends(h.svc.PartitionOf("g"))
		out := &outbox{}
		commit := func(offset int64) {
			h.svc.CommitOffsets(commitOf("g", "t", 8, offset), out, func(r *kmsg.OffsetCommitResponse) {
				if c := r.Topics[0].Partitions[0].ErrorCode; c != 0 {
					t.Errorf("commit of %d: %v", offset, kerr.ErrorForCode(c))
				}
				out.in++
			})
		}
		for offset := int64(2); offset < 13; offset++ {
			commit(offset)
		}
		release()
		synctest.Wait()
		if n := h.log.Appends(h.svc.PartitionOf("g")) - before; n != 1 || out.sent != 11 || out.sends != 1 {
			t.Errorf("11 commits took %d appends; %d replies were sent at %d times", n, out.sent, out.sends)
		}
		if got := ask(h.svc.OffsetFetch, fetchOf("g", 8, "t", 0)).Groups[0].Topics[0].Partitions[0].Offset; got != 12 {
			t.Errorf("offset %d is committed, not the last one", got)
		}
	})
}

// However a commit ends, its reply is sent: refused, timed out, or when the
// leadership goes while it waits for the log or in the queue.
func TestRepliesOfCommitsAreSentHoweverTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		defer h.svc.Close()
		out := &outbox{}
		var codes []int16
		commit := func(topic string) {
			h.svc.CommitOffsets(commitOf("g", topic, 8, 1), out, func(r *kmsg.OffsetCommitResponse) {
				out.in++
				codes = append(codes, r.Topics[0].Partitions[0].ErrorCode)
			})
			synctest.Wait()
		}
		want := func(n int, last *kerr.Error) {
			t.Helper()
			if out.in != n || out.sent != n || codes[n-1] != last.Code {
				t.Fatalf("%d replies, %d sent, the last with %v; want %d and %v", out.in, out.sent, codes, n, last)
			}
		}
		commit("t")
		want(1, kerr.NotCoordinator)
		h.lead(1)
		commit("no such topic")
		want(2, kerr.UnknownTopicOrPartition)
		h.log.Fail = func(int32) error { return kerr.NotEnoughReplicas }
		commit("t")
		want(3, kerr.CoordinatorNotAvailable)
		h.log.Fail, h.log.Hold = nil, true
		commit("t")
		h.clock.Advance(5000)
		synctest.Wait()
		want(4, kerr.CoordinatorNotAvailable)
		commit("t") // waits for its commit
		release := h.busy("g")
		commit("t") // in the queue
		h.resign()
		release()
		synctest.Wait()
		want(6, kerr.NotCoordinator)
	})
}

// What makes a group, or changes who is in it, is seen by the commit behind it,
// also when both wait for the same append.
func TestCommitsSeeWhatIsDecidedBeforeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(nil)
		defer h.svc.Close()
		h.lead(1)
		var codes []int16
		commit := func(generation int32) {
			req := commitOf("g", "t", 9, 1)
			req.Generation, req.MemberID = generation, "m"
			if generation < 0 {
				req.MemberID = ""
			}
			h.svc.CommitOffsets(req, nil, func(r *kmsg.OffsetCommitResponse) {
				codes = append(codes, r.Topics[0].Partitions[0].ErrorCode)
			})
		}
		for _, generation := range []int32{3, -1, 3} {
			commit(generation)
			synctest.Wait()
		}
		ask(h.svc.DeleteGroups, &kmsg.DeleteGroupsRequest{Version: 2, Groups: []string{"g"}})
		commit(3)
		synctest.Wait()
		alone := codes
		codes = nil
		release := h.busy("g")
		commit(3)
		commit(-1)
		commit(3)
		h.svc.DeleteGroups(&kmsg.DeleteGroupsRequest{Version: 2, Groups: []string{"g"}}, func(*kmsg.DeleteGroupsResponse) {})
		commit(3)
		release()
		synctest.Wait()
		if len(codes) != 4 || [4]int16(codes) != [4]int16(alone) {
			t.Errorf("in one go %v, one after the other %v", codes, alone)
		}
		if codes[0] == codes[2] {
			t.Errorf("a commit of generation 3 gets %d before and after the group is made", codes[0])
		}
	})
}
