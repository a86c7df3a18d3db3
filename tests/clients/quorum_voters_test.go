package clients

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/tests/node"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ask sends a request to the cluster through its broker.
func (q *quorum) ask(req kmsg.Request) kmsg.Response {
	q.t.Helper()
	resp, err := client(q.t, q.broker, kgo.RequestRetries(0)).SeedBrokers()[0].Request(patience(q.t), req)
	if err != nil {
		q.t.Fatalf("%T: %v", req, err)
	}
	return resp
}

// upgrade asks for kraft.version 1; with dry only whether it could be.
func (q *quorum) upgrade(dry bool) (*kerr.Error, string) {
	q.t.Helper()
	req := kmsg.NewPtrUpdateFeaturesRequest()
	u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	u.Feature, u.MaxVersionLevel, u.UpgradeType = image.KRaftVersionFeature, 1, up
	req.FeatureUpdates, req.ValidateOnly, req.TimeoutMillis = append(req.FeatureUpdates, u), dry, 10_000
	resp := q.ask(req).(*kmsg.UpdateFeaturesResponse)
	if resp.ErrorCode == 0 {
		return nil, ""
	}
	return kerr.TypedErrorForCode(resp.ErrorCode), *resp.ErrorMessage
}

// listed checks that everybody is listed once: these voters, each by its
// directory, and as observers the broker and the other controllers.
func (q *quorum) listed(voters ...*node.Server) node.Quorum {
	q.t.Helper()
	var says node.Quorum
	err := until(patience(q.t), "the voters", func() (bool, error) {
		_, says = q.leader(q.ctrls...)
		return len(says.Voters) == len(voters) && len(says.Listed) >= len(q.ctrls)+1, nil
	})
	if err != nil {
		q.t.Fatalf("%v: %+v", err, says)
	}
	slices.Sort(says.Listed)
	if len(slices.Compact(slices.Clone(says.Listed))) != len(says.Listed) || len(says.Listed) != len(q.ctrls)+1 {
		q.t.Errorf("listed are %v", says.Listed)
	}
	for _, s := range voters {
		if _, is := says.Voters[s.ID()]; !is || says.Directories[s.ID()] == [16]byte{} {
			q.t.Errorf("voter %d: %v %v", s.ID(), says.Voters, says.Directories)
		}
	}
	return says
}

// remove takes a voter out of the quorum, add puts it in again.
func (q *quorum) remove(s *node.Server, directory [16]byte) {
	q.t.Helper()
	req := kmsg.NewPtrRemoveRaftVoterRequest()
	req.VoterID, req.VoterDirectoryID = int32(s.ID()), directory
	q.change(kerr.VoterNotFound, func() (int16, *string) {
		r := q.ask(req).(*kmsg.RemoveRaftVoterResponse)
		return r.ErrorCode, r.ErrorMessage
	})
}

func (q *quorum) add(s *node.Server, directory [16]byte) {
	q.t.Helper()
	host, port, err := net.SplitHostPort(s.Controller())
	if err != nil {
		q.t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		q.t.Fatal(err)
	}
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.VoterID, req.VoterDirectoryID, req.TimeoutMillis, req.AckWhenCommitted = int32(s.ID()), directory, 5000, true
	req.Listeners = []kmsg.AddRaftVoterRequestListener{{Name: "CONTROLLER", Host: host, Port: uint16(n)}}
	q.change(kerr.DuplicateVoter, func() (int16, *string) {
		r := q.ask(req).(*kmsg.AddRaftVoterResponse)
		return r.ErrorCode, r.ErrorMessage
	})
}

// change repeats a change of the voters while the quorum is not ready for it:
// the one before is not committed yet, or the new voter lags behind. An attempt
// that nobody answered for, because the leader changed, may have done it.
func (q *quorum) change(done *kerr.Error, once func() (int16, *string)) {
	q.t.Helper()
	tries := 0
	err := until(patience(q.t), "a change of the voters", func() (bool, error) {
		code, text := once()
		if tries++; code == 0 || tries > 1 && code == done.Code {
			return true, nil
		}
		if err := kerr.ErrorForCode(code); !errors.Is(err, kerr.RequestTimedOut) && !errors.Is(err, kerr.NotLeaderForPartition) {
			return false, errors.Join(err, errors.New(*text))
		}
		return false, nil
	})
	if err != nil {
		q.t.Fatal(err)
	}
}

// Static voters become voters in the log (kraft.version 0 to 1) while topics are
// created: everybody is listed once, voters go and come, down to a single one,
// who leads alone for a while, and the leader's death changes nothing.
func TestStaticVotersBecomeVotersOfTheLog(t *testing.T) {
	q := newQuorum(t, true)
	q.goesOn()
	for _, dry := range []bool{true, false} {
		err := until(patience(t), "every voter to tell the leader its directory", func() (bool, error) {
			refused, why := q.upgrade(dry)
			if refused != nil && refused != kerr.InvalidUpdateVersion {
				t.Fatalf("%v: %s", refused, why)
			}
			return refused == nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, says := q.leader(q.ctrls...); dry && says.Directories[100] != [16]byte{} {
			t.Errorf("a dry run made it so: %v", says.Directories)
		}
	}
	says := q.listed(q.ctrls...)
	if refused, why := q.upgrade(false); refused != nil {
		t.Errorf("a second time: %v: %s", refused, why)
	}

	leads, _ := q.leader(q.ctrls...)
	rest := q.others(leads)
	q.remove(rest[0], says.Directories[rest[0].ID()])
	q.remove(rest[1], says.Directories[rest[1].ID()])
	q.listed(leads)
	q.goesOn()
	alone(t)
	q.add(rest[1], says.Directories[rest[1].ID()])
	q.goesOn()
	q.add(rest[0], says.Directories[rest[0].ID()])
	if now := q.listed(q.ctrls...); now.Epoch != says.Epoch {
		t.Logf("epoch %d; before the voters went and came it was %d: is this machine slow?", now.Epoch, says.Epoch)
	}

	if err := leads.Kill(); err != nil {
		t.Fatal(err)
	}
	q.goesOn()
	if err := leads.Start(); err != nil {
		t.Fatal(err)
	}
	q.listed(q.ctrls...)
	q.judge()
}

// alone lets more time pass than after which a leader of several gives up that
// nobody fetches from: 1.5 fetch timeouts. There is no event to wait for.
func alone(t *testing.T) {
	ctx, cancel := context.WithTimeout(patience(t), time.Second)
	defer cancel()
	<-ctx.Done()
}

// A controller that does not lead says so when it is asked about the quorum; a
// broker asks the one that leads, also when that has just changed.
func TestWhoeverIsAskedAboutTheQuorum(t *testing.T) {
	q := newQuorum(t, false)
	for range 3 {
		q.goesOn()
		var leads *node.Server
		var says, told node.Quorum
		var wrong error
		err := until(patience(t), "answers of one epoch", func() (bool, error) { // on a slow machine another may lead meanwhile
			leads, says = q.leader(q.ctrls...)
			for _, s := range q.others(leads) {
				if _, err := s.DescribeQuorum(patience(t)); !errors.Is(err, kerr.NotLeaderForPartition) {
					wrong = fmt.Errorf("%d does not lead and says %w", s.ID(), err)
					return false, nil
				}
			}
			told, wrong = q.broker.DescribeQuorumOfBroker(patience(t))
			return wrong == nil && told.Leader == says.Leader && told.Epoch == says.Epoch && len(told.Voters) == 3 && len(told.Listed) == 4 && told.Observers[1] > 0, nil
		})
		if err != nil {
			t.Fatalf("%v: %v; the broker tells %+v, the leader %+v", err, wrong, told, says)
		}
		if err := leads.Kill(); err != nil {
			t.Fatal(err)
		}
		// The request waits in the broker until there is another leader.
		told, err = q.broker.DescribeQuorumOfBroker(patience(t))
		if err != nil || told.Leader == leads.ID() || told.Epoch <= says.Epoch {
			t.Errorf("after the leader's death the broker tells %+v, %v", told, err)
		}
		if err := leads.Start(); err != nil {
			t.Fatal(err)
		}
	}
	q.judge()
}

// Controllers with controller.quorum.auto.join.enable become voters by themselves,
// one that lost its disk in the place of the disk that is lost; one without does not.
func TestControllersJoinByThemselves(t *testing.T) {
	all := []*node.Server{startAt(t, node.Place{ID: 100, Roles: "controller"}, quick)}
	start := func(id int, auto string) *node.Server {
		settings := maps.Clone(quick)
		settings["controller.quorum.auto.join.enable"] = auto
		s := startAt(t, node.Place{ID: id, Roles: "controller", Controller: all[0], Joins: true}, settings)
		all = append(all, s)
		return s
	}
	voters := func(observer int, lost [16]byte, ids ...int) (says node.Quorum) {
		t.Helper()
		err := until(patience(t), "the voters", func() (bool, error) {
			_, says = node.Leads(patience(t), all...) // nothing, if none leads just now
			_, looksOn := says.Observers[observer]
			joined := slices.Sorted(maps.Keys(says.Voters))
			return slices.Equal(joined, ids) && says.Directories[102] != lost && (observer == 0 || looksOn), nil
		})
		if err != nil {
			t.Fatalf("%v: %+v", err, says)
		}
		return says
	}
	start(101, "true")
	voters(0, [16]byte{1}, 100, 101)
	loses := start(102, "true")
	start(103, "false")
	says := voters(103, [16]byte{}, 100, 101, 102)
	if err := loses.Kill(); err != nil {
		t.Fatal(err)
	}
	start(102, "true") // with a folder of its own
	voters(103, says.Directories[102], 100, 101, 102)
}
