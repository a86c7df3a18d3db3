package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
)

// networks runs a quorum whose controllers live in network namespaces, so that
// packets of one direction can be dropped, and on a disk that can be filled. In
// each case the leader is struck while topics are created through two brokers;
// the cluster must go on, the node must come back, and all voters must end with
// one history that holds everything that was acknowledged: two leaders that both
// commit would leave two.
func (s *suite) networks() {
	cases := []struct {
		name   string
		strike func(k *isolated, leads *node.Server)
	}{
		{"netns/leader-killed", (*isolated).killed},
		{"netns/leader-paused", (*isolated).paused},
		{"netns/leader-is-not-heard", (*isolated).mute},
		{"netns/leader-does-not-hear", (*isolated).deaf},
		{"netns/disk-of-the-leader-is-full", (*isolated).full},
	}
	if why := missingForNetworks(); why != "" {
		s.skip("netns/", why, len(cases))
		return
	}
	for _, x := range cases {
		s.run(x.name, func(t *c) { t.isolate(x.strike) })
	}
}

func missingForNetworks() string {
	if os.Geteuid() != 0 {
		return "only root can make network namespaces"
	}
	for _, tool := range []string{"ip", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return tool + " is not installed"
		}
	}
	probe := fmt.Sprintf("gqp%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", probe).CombinedOutput(); err != nil {
		return "no network namespace can be made: " + strings.TrimSpace(string(out))
	}
	_ = exec.Command("ip", "netns", "del", probe).Run() // empty
	return ""
}

// isolated is three controllers, each in a namespace, and two brokers outside.
type isolated struct {
	*cluster
	tag    string // of this case, in the names of what it makes
	bridge string
	ctrls  []*node.Server
	topics []*node.Creations
	undo   []func()
}

// isolate makes the cluster, strikes its leader and judges what is left.
func (t *c) isolate(strike func(*isolated, *node.Server)) {
	// A namespace lives on for a moment after it was deleted: names are not used again.
	k := &isolated{cluster: t.cluster(), tag: fmt.Sprintf("%d%c", os.Getpid()%10000, 'a'+t.passed+t.failed)}
	k.bridge = "gqb" + k.tag
	defer k.away()
	defer k.end()
	k.must("ip", "link", "add", k.bridge, "type", "bridge")
	k.later("ip", "link", "del", k.bridge)
	k.must("ip", "addr", "add", k.address(1)+"/24", "dev", k.bridge)
	k.must("ip", "link", "set", k.bridge, "up")
	var places []node.Place
	var software []node.Software
	for i := range 3 {
		places = append(places, node.Place{ID: 100 + i, Roles: "controller", Host: k.address(10 + i)})
		software = append(software, k.namespace(i))
	}
	var err error
	k.ctrls, err = node.NewQuorumAt(places, nil, software...)
	k.servers = append(k.servers, k.ctrls...)
	k.check(err)
	for _, s := range k.ctrls {
		k.ownDisk(s)
	}
	k.start(k.ctrls...)
	for id := 1; id <= 2; id++ {
		b := k.add(k.ours, node.Place{ID: id, Roles: "broker", Controller: k.ctrls[0]})
		k.srv = b
		c, err := node.Create(b, fmt.Sprintf("through-%d", id), 20*time.Millisecond)
		k.check(err)
		k.topics = append(k.topics, c)
	}
	k.goesOn()
	leads, _ := k.leader(k.ctrls...)
	strike(k, leads)
	k.goesOn()
	k.judge()
}

// address is one of the case's own network.
func (k *isolated) address(host int) string {
	return fmt.Sprintf("10.213.%d.%d", os.Getpid()%250, host)
}

func (k *isolated) must(name string, args ...string) {
	out, err := exec.Command(name, args...).CombinedOutput()
	k.log = append(k.log, "$ "+name+" "+strings.Join(args, " "))
	if err != nil {
		k.fatalf("%v: %s", err, out)
	}
}

// later runs a command when the case is over, in the opposite order.
func (k *isolated) later(name string, args ...string) {
	k.undo = append(k.undo, func() { _ = exec.Command(name, args...).Run() })
}

func (k *isolated) away() {
	for _, f := range slices.Backward(k.undo) {
		f()
	}
}

func (k *isolated) name(i int) string { return fmt.Sprintf("gq%s-%d", k.tag, i) }

// namespace makes a namespace that is wired to the bridge, and returns software
// that runs in it.
func (k *isolated) namespace(i int) node.Software {
	name, outside, inside := k.name(i), fmt.Sprintf("gqv%s-%d", k.tag, i), "eth0"
	k.must("ip", "netns", "add", name)
	k.later("ip", "netns", "del", name)
	k.must("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
	k.must("ip", "link", "set", outside, "master", k.bridge, "up")
	k.must("ip", "-n", name, "addr", "add", k.address(10+i)+"/24", "dev", inside)
	k.must("ip", "-n", name, "link", "set", inside, "up")
	k.must("ip", "-n", name, "link", "set", "lo", "up")
	sw := k.ours
	server := sw.Server
	sw.Server = func(config string, overrides ...string) *exec.Cmd {
		cmd := server(config, overrides...)
		return exec.Command("ip", append([]string{"netns", "exec", name}, cmd.Args...)...)
	}
	return sw
}

// ownDisk puts a node's folder on a disk of its own.
func (k *isolated) ownDisk(s *node.Server) {
	formatted := s.LogDir() + ".formatted"
	k.check(os.Rename(s.LogDir(), formatted))
	k.check(os.Mkdir(s.LogDir(), 0o755))
	k.must("mount", "-t", "tmpfs", "-o", "size=32m", "gregor-test", s.LogDir())
	k.undo = append(k.undo, func() { _ = exec.Command("umount", "-l", s.LogDir()).Run(); _ = os.RemoveAll(s.Dir()) })
	k.check(os.CopyFS(s.LogDir(), os.DirFS(formatted)))
}

// goesOn waits until topics were created through each broker.
func (k *isolated) goesOn() {
	for _, c := range k.topics {
		k.check(c.More(10))
	}
}

// another waits until one that is not struck leads.
func (k *isolated) another(struck *node.Server) {
	_, before := k.leader(others(k.ctrls, struck)...)
	k.goesOn()
	if _, now := k.leader(others(k.ctrls, struck)...); now.Epoch > before.Epoch+1 {
		k.fatalf("no leader lasts: epoch %d after %d", now.Epoch, before.Epoch)
	}
}

// judge compares what the voters have when all of them have what was committed.
func (k *isolated) judge() {
	var names []string
	for _, c := range k.topics {
		n, err := c.Stop()
		k.check(err)
		names = append(names, n...)
	}
	end := k.caughtUp(k.ctrls...)
	k.check(node.OneHistory(end, names, k.ctrls...))
	k.log = append(k.log, fmt.Sprintf("%d topics in one history of %d records", len(names), end))
}

func (k *isolated) killed(leads *node.Server) {
	k.check(leads.Kill())
	k.another(leads)
	k.check(leads.Start())
}

// paused: thirty seconds later it still believes that it leads, and must not find
// anybody who believes it too.
func (k *isolated) paused(leads *node.Server) {
	k.check(leads.Pause())
	over := time.After(30 * time.Second)
	k.another(leads)
	for waiting := true; waiting; {
		select {
		case <-over:
			waiting = false
		default:
			k.goesOn()
		}
	}
	k.check(leads.Resume())
}

// mute: nothing that it sends to the other controllers arrives; brokers hear it.
func (k *isolated) mute(leads *node.Server) {
	mend := k.drop([]*node.Server{leads}, others(k.ctrls, leads))
	k.another(leads)
	mend()
}

// deaf: nothing that the other controllers send to it arrives.
func (k *isolated) deaf(leads *node.Server) {
	mend := k.drop(others(k.ctrls, leads), []*node.Server{leads})
	k.another(leads)
	mend()
}

// drop drops the packets from some nodes to others until the result is called.
func (k *isolated) drop(from, to []*node.Server) (mend func()) {
	route := func(verb string) {
		for _, f := range from {
			for _, t := range to {
				k.must("ip", "-n", k.name(f.ID()-100), "route", verb, "blackhole", k.address(10+t.ID()-100)+"/32")
			}
		}
	}
	route("add")
	return func() { route("del") }
}

// full: the disk of the leader takes no more. It must not acknowledge what it
// cannot keep, and is started again when there is room.
func (k *isolated) full(leads *node.Server) {
	filler := filepath.Join(leads.LogDir(), "filler")
	f, err := os.Create(filler)
	k.check(err)
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	k.check(f.Close())
	k.another(leads)
	k.check(os.Remove(filler))
	if leads.Alive() {
		if _, err := leads.Term(15 * time.Second); err != nil {
			k.fatalf("%v", err)
		}
	} else if err := leads.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		k.fatalf("%v", err)
	}
	k.check(leads.Start())
}
