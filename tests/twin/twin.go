// Package twin asks Apache Kafka and gregor the same questions and compares the
// answers field by field.
//
// A Script is one request, good or bad, with what must be prepared for it; it
// runs at the lowest, a middle and the highest version of its key (or at every
// one). Requests and answers are kmsg's own bytes over a plain socket, so that
// nothing of gregor's protocol rooms can be wrong on both sides at once. An
// answer is written down as lines "path = value", with what may differ between
// two runs (ids, clocks, ports) replaced by a name; see render.go.
//
// testdata/ holds what Apache Kafka 4.3.1 answered (Record wrote it), so that
// "go test" can judge gregor with nothing but Go. Differences that stay are in
// allow.go with their reason, and docs/COMPATIBILITY.md is written from both.
package twin

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Script is one question. Run prepares through Do and asks through Send; the
// version under test is set on every request of the script's own key.
type Script struct {
	Key  int16
	Name string
	// From and To bound the versions it makes sense for; zero To means the
	// key's highest.
	From, To int16
	// Controller sends to the controller listener.
	Controller bool
	// Hide are path endings whose values are nobody's business here.
	Hide []string
	Run  func(r *Run)
}

// Target is one broker.
type Target struct {
	Name             string
	Addr, Controller string
}

// Run is a script at one version against one target.
type Run struct {
	script  Script
	version int16
	target  Target
	main    *conn // client listener
	ctrl    *conn // controller listener, opened on demand
	prefix  string
	ids     map[[16]byte]string
	names   map[string]string // runtime values that have a name in the transcript
	out     []string
	sent    int
	Frames  []Frame
}

// Frame is one exchange as it was on the wire, without the size prefixes.
type Frame struct {
	Key, Version      int16
	Request, Response []byte
}

// Range is the versions of a key, as ApiVersions advertises them.
type Range struct{ Min, Max int16 }

// Versions are those of a script to try: all, or the lowest, one in between
// (always the same for the same script) and the highest.
func (s Script) versions(r Range, all bool) []int16 {
	lo, hi := max(r.Min, s.From), r.Max
	if s.To != 0 && s.To < hi {
		hi = s.To
	}
	var vs []int16
	switch {
	case hi < lo:
	case all || hi-lo < 3:
		for v := lo; v <= hi; v++ {
			vs = append(vs, v)
		}
	default:
		h := fnv.New32a()
		h.Write([]byte(s.Name))
		vs = []int16{lo, lo + 1 + int16(h.Sum32()%uint32(hi-lo-1)), hi}
	}
	return vs
}

// Title is the heading of one run in a transcript.
func (s Script) title(v int16) string {
	where := ""
	if s.Controller {
		where = " (controller listener)"
	}
	return fmt.Sprintf("%s v%d%s: %s", kmsg.NameForKey(s.Key), v, where, s.Name)
}

// Answers maps the heading of a run to its lines.
type Answers map[string][]string

// Ask runs the scripts whose key is in served and returns the answers and the frames.
func Ask(t Target, scripts []Script, served map[int16]Range, all bool) (Answers, []Frame, error) {
	ans, frames := Answers{}, []Frame(nil)
	for _, s := range scripts {
		rng, ok := served[s.Key]
		if !ok {
			continue
		}
		for _, v := range s.versions(rng, all) {
			if _, dup := ans[s.title(v)]; dup {
				return nil, nil, fmt.Errorf("two scripts are called %q", s.title(v))
			}
			r, err := s.run(t, v)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %s: %w", t.Name, s.title(v), err)
			}
			ans[s.title(v)] = r.out
			frames = append(frames, r.Frames...)
		}
	}
	return ans, frames, nil
}

// setupFailed carries an error of Do out of a script.
type setupFailed struct{ err error }

func (s Script) run(t Target, v int16) (r *Run, err error) {
	r = &Run{script: s, version: v, target: t, ids: map[[16]byte]string{}, names: map[string]string{}}
	h := fnv.New32a()
	h.Write([]byte(s.Name))
	r.prefix = fmt.Sprintf("twin-%d-%d-%06x-", s.Key, v, h.Sum32()&0xffffff)
	if r.main, err = dial(t.Addr); err != nil {
		return nil, err
	}
	defer func() {
		r.main.close()
		if r.ctrl != nil {
			r.ctrl.close()
		}
		if f, ok := recover().(setupFailed); ok {
			// What a script needs first is itself part of the answer: a broker
			// that can not prepare the question has answered it.
			r.out = append(r.out, "setup failed: "+r.mask(f.err.Error()))
		}
	}()
	s.Run(r)
	return r, nil
}

// Name makes a topic or group name that belongs to this run alone.
func (r *Run) Name(s string) string { return r.prefix + s }

// Version is the version under test.
func (r *Run) Version() int16 { return r.version }

// Send asks and writes the answer down. A request of another key than the
// script's must carry its version already.
func (r *Run) Send(req kmsg.Request) kmsg.Response {
	if req.Key() == r.script.Key {
		req.SetVersion(r.version)
	}
	r.sent++
	c := r.main
	if r.script.Controller {
		c = r.controller()
	}
	resp, frame, err := c.roundTrip(req)
	label := fmt.Sprintf("%d ", r.sent)
	if err != nil {
		r.out = append(r.out, label+r.failure(err))
		c.reopen()
		return nil
	}
	r.Frames = append(r.Frames, frame)
	for _, l := range r.render(resp) {
		r.out = append(r.out, label+l)
	}
	return resp
}

// SendRaw writes a frame body as it is and writes down what comes back: the
// first bytes of an answer are enough.
func (r *Run) SendRaw(body []byte) {
	r.sent++
	b, err := r.main.rawTrip(body)
	if err != nil {
		r.out = append(r.out, fmt.Sprintf("%d %s", r.sent, r.failure(err)))
		r.main.reopen()
		return
	}
	r.out = append(r.out, fmt.Sprintf("%d answer begins % x", r.sent, b[:min(len(b), 6)]))
}

// SendNoReply sends a request that has no answer (acks=0).
func (r *Run) SendNoReply(req kmsg.Request) {
	req.SetVersion(r.version)
	if err := r.main.write(req); err != nil {
		panic(setupFailed{err})
	}
}

func (r *Run) failure(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer in time"
	}
	if errors.Is(err, errClosed) {
		return "connection closed"
	}
	return "unreadable answer: " + err.Error()
}

// Do asks without writing down, at the version the request carries (set it
// first; Latest does).
func (r *Run) Do(req kmsg.Request) kmsg.Response {
	resp, _, err := r.main.roundTrip(req)
	if err != nil {
		panic(setupFailed{fmt.Errorf("%s: %s", kmsg.NameForKey(req.Key()), r.failure(err))})
	}
	return resp
}

func (r *Run) controller() *conn {
	if r.ctrl == nil {
		c, err := dial(r.target.Controller)
		if err != nil {
			panic(setupFailed{err})
		}
		r.ctrl = c
	}
	return r.ctrl
}

// Eventually repeats ask until it says it is content, for states that a broker
// reaches a moment after its reply.
func (r *Run) Eventually(what string, ask func() bool) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ask() {
			return
		}
	}
	panic(setupFailed{errors.New(what + ": not reached in 10 s")})
}

// Titles returns the headings in a stable order.
func (a Answers) Titles() []string {
	ts := make([]string, 0, len(a))
	for t := range a {
		ts = append(ts, t)
	}
	sort.Strings(ts)
	return ts
}

// Diff is one line that differs.
type Diff struct{ Title, Path, Want, Got string }

func (d Diff) String() string {
	return fmt.Sprintf("%s: %s: Kafka %s, gregor %s", d.Title, d.Path, d.Want, d.Got)
}

// Compare returns what differs between Kafka's answers and gregor's, over the
// headings that both have.
func Compare(want, got Answers) (diffs []Diff) {
	for _, title := range want.Titles() {
		g, ok := got[title]
		if !ok {
			continue
		}
		wl, gl := byPath(want[title]), byPath(g)
		for _, p := range mergedKeys(wl, gl) {
			if !same(p, wl[p], gl[p]) {
				diffs = append(diffs, Diff{title, p, orNone(wl[p]), orNone(gl[p])})
			}
		}
	}
	return diffs
}

// same compares two values. The words of an error message are for people and
// may be better than Kafka's; whether there are any is compared.
func same(path, want, got string) bool {
	if want == got {
		return true
	}
	if strings.HasSuffix(path, "ErrorMessage") || strings.HasSuffix(path, "Documentation") {
		return want != "" && got != "" && want != "null" && got != "null"
	}
	return false
}

func orNone(s string) string {
	if s == "" {
		return "(no such line)"
	}
	return s
}

func byPath(lines []string) map[string]string {
	m := map[string]string{}
	for _, l := range lines {
		p, v, ok := strings.Cut(l, " = ")
		if !ok {
			// A line that is no field, such as "connection closed".
			p, v, _ = strings.Cut(l, " ")
			m[p+" (outcome)"] = v
			continue
		}
		m[p] = v
	}
	return m
}

func mergedKeys(a, b map[string]string) []string {
	seen := map[string]bool{}
	for k := range a {
		seen[k] = true
	}
	for k := range b {
		seen[k] = true
	}
	ks := make([]string, 0, len(seen))
	for k := range seen {
		ks = append(ks, k)
	}
	sort.Strings(ks)
	return ks
}
