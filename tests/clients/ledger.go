package clients

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Ledger is what the members of groups told, judged from outside: no partition is
// owned by two at a time, none is read by who does not own it, and nothing is read
// twice that was committed. Lines of different processes come in any order, so
// judgement goes by the times that they tell.
type Ledger struct {
	mu     sync.Mutex
	more   chan struct{} // closed and replaced at each event
	lines  []string
	owners map[string]string // partition → member, as far as is known now
	terms  []*term
	open   map[[2]string]*term        // member, partition
	read   map[string]map[int64]int64 // partition → offset → how often
	again  map[string]bool            // partitions of which some may be read twice
	faults []string
	events map[[2]string]int   // member, event → how often
	took   map[[2]string]int64 // member, command → milliseconds
}

// term is the time for which a member owned a partition, in ms.
type term struct {
	member, partition string
	from, to          int64
}

const forEver = 1<<63 - 1

// NewLedger is empty.
func NewLedger() *Ledger {
	return &Ledger{more: make(chan struct{}), owners: map[string]string{}, open: map[[2]string]*term{}, read: map[string]map[int64]int64{},
		again: map[string]bool{}, events: map[[2]string]int{}, took: map[[2]string]int64{}}
}

// Event takes one line that a member printed; others than events are kept to be shown.
func (l *Ledger) Event(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	var at int64
	if w := strings.Fields(line); len(w) >= 4 && w[0] == "e" {
		if _, err := fmt.Sscan(w[1], &at); err != nil {
			l.fault("cannot read %q", line)
		}
		l.take(at, w[2], w[3], w[4:])
	}
	close(l.more)
	l.more = make(chan struct{})
}

func (l *Ledger) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

func (l *Ledger) take(at int64, member, what string, args []string) {
	l.events[[2]string{member, what}]++
	switch what {
	case "assigned":
		for _, p := range args {
			l.assigned(at, member, p)
		}
	case "revoked":
		for _, p := range args {
			l.revoked(at, member, p)
		}
	case "records":
		l.records(at, member, args)
	case "uncommitted":
		l.forgive(member)
	case "failed":
		l.fault("%s failed: %s", member, strings.Join(args, " "))
	case "did":
		var ms int64
		if _, err := fmt.Sscan(args[1], &ms); err != nil {
			l.fault("cannot read %v", args)
		}
		l.took[[2]string{member, args[0]}] = ms
		if args[0] == "stop" {
			l.gone(at, member)
		}
	}
}

func (l *Ledger) assigned(at int64, member, p string) {
	l.owners[p] = member
	if key := [2]string{member, p}; l.open[key] == nil {
		l.open[key] = &term{member, p, at, forEver}
		l.terms = append(l.terms, l.open[key])
	}
}

func (l *Ledger) revoked(at int64, member, p string) {
	if l.owners[p] == member {
		delete(l.owners, p)
	}
	if t := l.open[[2]string{member, p}]; t != nil {
		t.to = at
		delete(l.open, [2]string{member, p})
	}
}

func (l *Ledger) records(_ int64, member string, args []string) {
	var first, last int64
	p := args[0]
	if _, err := fmt.Sscan(args[1]+" "+args[2], &first, &last); err != nil {
		l.fault("cannot read %v", args)
		return
	}
	if l.open[[2]string{member, p}] == nil {
		l.fault("%s reads %s, which is not its own", member, p)
	}
	if l.read[p] == nil {
		l.read[p] = map[int64]int64{}
	}
	for o := first; o <= last; o++ {
		l.read[p][o]++
	}
}

// forgive lets what a member may not have committed be read again.
func (l *Ledger) forgive(member string) {
	for key := range l.open {
		if key[0] == member {
			l.again[key[1]] = true
		}
	}
}

func (l *Ledger) gone(at int64, member string) {
	for _, key := range slices.Collect(maps.Keys(l.open)) {
		if key[0] == member {
			l.revoked(at, member, key[1])
		}
	}
}

// Killed says that members are no more: what they had read and not committed may
// be read again, and what they owned is nobody's.
func (l *Ledger) Killed(members ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range members {
		l.forgive(m)
		l.gone(time.Now().UnixMilli(), m)
	}
}

// Judge tells what was wrong so far.
func (l *Ledger) Judge() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, f := range l.faults {
		errs = append(errs, errors.New(f))
	}
	for i, a := range l.terms {
		for _, b := range l.terms[:i] {
			if a.partition == b.partition && a.member != b.member && a.from < b.to && b.from < a.to {
				errs = append(errs, fmt.Errorf("%s is %s's from %d to %d and %s's from %d to %d", a.partition, a.member, a.from, a.to, b.member, b.from, b.to))
			}
		}
	}
	for p, offsets := range l.read {
		for o, n := range offsets {
			if n > 1 && !l.again[p] {
				errs = append(errs, fmt.Errorf("%s@%d was read %d times", p, o, n))
				break
			}
		}
	}
	if len(errs) > 0 {
		errs = append(errs, errors.New(l.tail(80)))
	}
	return errors.Join(errs...)
}

func (l *Ledger) tail(n int) string { return strings.Join(l.lines[max(0, len(l.lines)-n):], "\n") }

// Await waits until yes holds.
func (l *Ledger) Await(ctx context.Context, what string, yes func(*Ledger) bool) error {
	for {
		l.mu.Lock()
		late := ctx.Err() != nil
		ok, more, tail := yes(l), l.more, l.tail(40)
		faults := slices.Clone(l.faults)
		l.mu.Unlock()
		switch {
		case len(faults) > 0:
			return errors.New(strings.Join(faults, "; "))
		case ok:
			return nil
		case late:
			return fmt.Errorf("waited in vain: %s\n%s", what, tail)
		}
		select {
		case <-more:
		case <-ctx.Done():
		}
	}
}

// Owned is how many partitions have an owner, and by how many members. This and
// what follows is for the functions given to Await.
func (l *Ledger) Owned() (partitions, members int) {
	seen := map[string]bool{}
	for _, m := range l.owners {
		seen[m] = true
	}
	return len(l.owners), len(seen)
}

// OwnedBy is how many partitions a member has.
func (l *Ledger) OwnedBy(member string) (n int) {
	for _, m := range l.owners {
		if m == member {
			n++
		}
	}
	return n
}

// Read is how many different records of a topic were read.
func (l *Ledger) Read(topic string) (n int) {
	for p, offsets := range l.read {
		if p[:strings.LastIndexByte(p, '-')] == topic {
			n += len(offsets)
		}
	}
	return n
}

// Count is how often a member told of something.
func (l *Ledger) Count(member, what string) int { return l.events[[2]string{member, what}] }

// Took is how many milliseconds a command took a member, as it told last; -1 if
// it has not. Clear it with Forget before the command is given again.
func (l *Ledger) Took(member, command string) int64 {
	if ms, ok := l.took[[2]string{member, command}]; ok {
		return ms
	}
	return -1
}

// Forget forgets how long a command took.
func (l *Ledger) Forget(member, command string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.took, [2]string{member, command})
}
