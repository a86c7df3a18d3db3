package classic

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/gregorbroker/gregor/groupcoord/records"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestTranscripts plays testdata: a command a line, and what came of it. Tickets
// are numbered from 1; ids of new members end with the ticket's number.
//
//	config [delay=ms] [size=n] [newmember=ms]
//	join [member=id] [client=id] [instance=id] [v=n] [session=ms] [rebalance=ms] [type=t] protocols=(name:metadata …)
//	sync member=id gen=n [assign=(member:bytes …)] [instance=id] [type=t] [protocol=p]
//	heartbeat member=id gen=n [instance=id]
//	leave (member=id | instance=id)
//	written [error=CODE] [appended]        the oldest record in flight is committed, or failed
//	tick ms                                time passes, whatever is due happens
//	commit [member=id] [gen=n] [txn]       may it commit offsets?
//	reload                                 a new coordinator loads the records that were written
//	state
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld(Config{InitialDelay: 3000, NewMemberTimeout: 300_000, MaxSize: 1000})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.out.Reset()
			quiet := w.quiet()
			w.run(t, d)
			w.told(t, quiet)
			return w.out.String()
		})
	})
}

type world struct {
	cfg    Config
	groups *Groups
	now    int64
	ticket Ticket
	flight []*Write
	log    map[string][]byte
	out    strings.Builder
}

func newWorld(cfg Config) *world {
	return &world{cfg: cfg, groups: New(cfg), now: 1000, log: map[string][]byte{}}
}

func (w *world) run(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "config":
		w.config(t, d)
	case "join":
		w.join(t, d)
	case "sync":
		w.sync(t, d)
	case "heartbeat":
		r := kmsg.NewPtrHeartbeatRequest()
		r.Group, r.MemberID, r.Generation, r.InstanceID = "g", text(d, "member"), int32(number(d, "gen", 0)), optional(d, "instance")
		fmt.Fprintln(&w.out, codeName(w.groups.Heartbeat(r, w.now)))
	case "leave":
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID, m.InstanceID = text(d, "member"), optional(d, "instance")
		resp, e := w.groups.Leave("g", []kmsg.LeaveGroupRequestMember{m}, w.now)
		fmt.Fprintln(&w.out, "leave:", errName(resp[0].ErrorCode))
		w.effects(e)
	case "written":
		w.written(t, d)
	case "tick":
		w.tick(t, d)
	case "commit":
		c := Committer{MemberID: text(d, "member"), Generation: int32(number(d, "gen", -1)), InstanceID: optional(d, "instance"), Transactional: d.HasArg("txn")}
		fmt.Fprintln(&w.out, codeName(w.groups.Get("g").CheckCommit(c)))
	case "reload":
		w.reload(t)
	case "state":
		w.state()
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
}

func (w *world) config(t *testing.T, d *datadriven.TestData) {
	w.cfg.InitialDelay = int64(number(d, "delay", int(w.cfg.InitialDelay)))
	w.cfg.MaxSize = number(d, "size", w.cfg.MaxSize)
	w.cfg.NewMemberTimeout = int64(number(d, "newmember", int(w.cfg.NewMemberTimeout)))
	w.groups.cfg = w.cfg
}

func (w *world) join(t *testing.T, d *datadriven.TestData) {
	w.ticket++
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version = int16(number(d, "v", 9))
	r.Group, r.MemberID, r.InstanceID = "g", text(d, "member"), optional(d, "instance")
	r.SessionTimeoutMillis = int32(number(d, "session", 10_000))
	r.RebalanceTimeoutMillis = int32(number(d, "rebalance", 60_000))
	r.ProtocolType = "consumer"
	if d.HasArg("type") {
		r.ProtocolType = text(d, "type")
	}
	for _, p := range pairs(d, "protocols") {
		r.Protocols = append(r.Protocols, kmsg.JoinGroupRequestProtocol{Name: p[0], Metadata: []byte(p[1])})
	}
	client := text(d, "client")
	if client == "" {
		client = "c"
	}
	w.effects(w.groups.Join(Join{Req: r, Ticket: w.ticket, ClientID: client, Host: "/h", Suffix: fmt.Sprint(w.ticket)}, w.now))
}

func (w *world) sync(t *testing.T, d *datadriven.TestData) {
	w.ticket++
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.Generation = "g", text(d, "member"), int32(number(d, "gen", 0))
	r.InstanceID, r.ProtocolType, r.Protocol = optional(d, "instance"), optional(d, "type"), optional(d, "protocol")
	for _, p := range pairs(d, "assign") {
		r.GroupAssignment = append(r.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: p[0], MemberAssignment: []byte(p[1])})
	}
	w.effects(w.groups.Sync(r, w.ticket, w.now))
}

func (w *world) written(t *testing.T, d *datadriven.TestData) {
	if len(w.flight) == 0 {
		t.Fatalf("%s: no record is in flight", d.Pos)
	}
	write := w.flight[0]
	w.flight = w.flight[1:]
	code := int16(0)
	if d.HasArg("error") {
		code = codeByName(t, text(d, "error"))
	} else {
		w.log[string(write.Key)] = write.Value
	}
	w.effects(w.groups.Written(write, code, code == 0 || d.HasArg("appended"), w.now))
}

func (w *world) tick(t *testing.T, d *datadriven.TestData) {
	var ms int64
	if _, err := fmt.Sscan(d.CmdArgs[0].Key, &ms); err != nil {
		t.Fatal(err)
	}
	end := w.now + ms
	for {
		at, ok := w.groups.Deadline()
		if !ok || at > end {
			break
		}
		w.now = max(w.now, at)
		w.effects(w.groups.Expire(w.now))
	}
	w.now = end
}

func (w *world) reload(t *testing.T) {
	w.groups, w.flight = New(w.cfg), nil
	for k, v := range w.log {
		key, err := records.ParseKey([]byte(k))
		if err != nil {
			t.Fatal(err)
		}
		value, _, err := records.ParseValue(key, v)
		if err != nil {
			t.Fatal(err)
		}
		w.groups.Replay(key.(*records.GroupMetadataKey).Group, value.(*records.GroupMetadataValue), true, w.now)
	}
	w.effects(w.groups.Loaded(w.now))
	w.state()
}

func (w *world) state() {
	g := w.groups.Get("g")
	if g == nil {
		fmt.Fprintln(&w.out, "no group")
		return
	}
	fmt.Fprintf(&w.out, "%v generation=%d type=%q protocol=%s leader=%s", g.state, g.generation, g.kind, deref(g.protocol), g.leader)
	if len(g.pending) > 0 {
		fmt.Fprintf(&w.out, " pending=%d", len(g.pending))
	}
	fmt.Fprintln(&w.out)
	for m := g.members.first; m != nil; m = m.next {
		fmt.Fprintf(&w.out, "  %s", m.ID)
		if m.InstanceID != nil {
			fmt.Fprintf(&w.out, " instance=%s", *m.InstanceID)
		}
		fmt.Fprintf(&w.out, " assignment=%q", m.Assignment)
		if m.join != 0 {
			fmt.Fprint(&w.out, " joining")
		}
		if m.sync != 0 {
			fmt.Fprint(&w.out, " syncing")
		}
		fmt.Fprintln(&w.out)
	}
}

// effects prints what a call wants done, and checks the group's invariants.
func (w *world) effects(e Effects) {
	for _, n := range e.Notes {
		fmt.Fprintf(&w.out, "note: %s (generation %d, %v)\n", n.Text, n.Generation, n.State)
	}
	for _, r := range e.Joins {
		fmt.Fprintf(&w.out, "join #%d: %s", r.Ticket, errName(r.Resp.ErrorCode))
		if r.Resp.MemberID != "" {
			fmt.Fprintf(&w.out, " member=%s", r.Resp.MemberID)
		}
		if r.Resp.Generation != -1 {
			fmt.Fprintf(&w.out, " generation=%d protocol=%s leader=%s", r.Resp.Generation, deref(r.Resp.Protocol), r.Resp.LeaderID)
		}
		for _, m := range r.Resp.Members {
			fmt.Fprintf(&w.out, " %s=%s", m.MemberID, m.ProtocolMetadata)
		}
		if r.Resp.SkipAssignment {
			fmt.Fprint(&w.out, " skip-assignment")
		}
		fmt.Fprintln(&w.out)
	}
	for _, r := range e.Syncs {
		fmt.Fprintf(&w.out, "sync #%d: %s assignment=%q\n", r.Ticket, errName(r.Resp.ErrorCode), r.Resp.MemberAssignment)
	}
	if e.Write != nil {
		w.flight = append(w.flight, e.Write)
		fmt.Fprintf(&w.out, "write: %s\n", describeWrite(e.Write))
	}
	if err := w.groups.consistent(); err != nil {
		fmt.Fprintln(&w.out, "BROKEN:", err)
	}
}

func describeWrite(w *Write) string {
	v := &records.GroupMetadataValue{}
	if err := v.ReadFrom(recordVersion, w.Value[2:]); err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("generation=%d type=%q protocol=%s leader=%s", v.Generation, v.ProtocolType, deref(v.Protocol), deref(v.Leader))
	for _, m := range v.Members {
		text += fmt.Sprintf(" %s=%s", m.MemberID, m.Assignment)
	}
	return text
}

func text(d *datadriven.TestData, key string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return ""
}

func optional(d *datadriven.TestData, key string) *string {
	if !d.HasArg(key) {
		return nil
	}
	s := text(d, key)
	return &s
}

func number(d *datadriven.TestData, key string, def int) int {
	if !d.HasArg(key) {
		return def
	}
	n := def
	_, _ = fmt.Sscan(text(d, key), &n)
	return n
}

func pairs(d *datadriven.TestData, key string) [][2]string {
	var out [][2]string
	for _, a := range d.CmdArgs {
		if a.Key != key {
			continue
		}
		for _, v := range a.Vals {
			for _, f := range strings.Fields(v) {
				k, val, _ := strings.Cut(f, ":")
				out = append(out, [2]string{k, val})
			}
		}
	}
	return out
}

func deref(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func codeName(err *kerr.Error) string {
	if err == nil {
		return "ok"
	}
	return err.Message
}

func errName(code int16) string { return codeName(kerr.TypedErrorForCode(code)) }

func codeByName(t *testing.T, name string) int16 {
	t.Helper()
	known := []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.UnknownServerError}
	i := slices.IndexFunc(known, func(e *kerr.Error) bool { return e.Message == name })
	if i < 0 {
		t.Fatalf("no error %q", name)
	}
	return known[i].Code
}
