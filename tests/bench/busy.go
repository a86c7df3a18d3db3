package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/tests/node"
)

// pairs is how often quiet and busy take turns. What is rare makes a p99, and the
// machine's mood drifts: short turns, many of them, and one quantile over all.
var pairs = flag.Int("pairs", 8, "turns of 5 s each, quiet and busy, of the work busy")

// busy measures the latency of acknowledgements in turns, always beside 15 MB/s
// of writes to two topics. Quiet: nothing else runs. Busy: cleaner and retention
// work on these topics without a pause, and a reader takes 50 MB/s that the page
// cache does not hold. The clients are lean (kbench/lean.go), so that what is
// measured is the server and not the clients' fight for the cores.
func busy(b *bench, like *node.Server) (figures, error) {
	l, err := b.lab(like, always)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if err := l.prepareBusy(); err != nil {
		return nil, err
	}
	stops := []func() (figures, error){l.background("awake")}
	for topic, mbps := range map[string]string{"keys": "5", "old": "10"} {
		stops = append(stops, l.background("load", "-b", l.Addr(), "-t", topic, "-size", "250", "-mbps", mbps))
	}
	out, err := l.inTurns()
	for _, stop := range stops {
		_, failed := stop()
		err = errors.Join(err, failed)
	}
	if err != nil {
		return nil, err
	}
	fmt.Printf("%-8s busy %v\n", l.Name(), out)
	return out, nil
}

// prepareBusy fills three topics, on none of which anything is to do yet, and lets
// the disk have it all: else the kernel writes it in the middle of some turn.
func (l *lab) prepareBusy() error {
	small := fmt.Sprint(4 << 20)
	for topic, configs := range map[string]map[string]string{
		"keys": {"cleanup.policy": "compact", lag: frozen, "min.cleanable.dirty.ratio": "0.01", "segment.bytes": small},
		"old":  {"segment.bytes": small},
		"cold": {"segment.bytes": fmt.Sprint(64 << 20)},
	} {
		if err := l.topic(topic, configs); err != nil {
			return err
		}
		bytes := *mib << 20 / 4
		if topic == "cold" {
			bytes = *mib << 20
		}
		if err := l.write(topic, bytes); err != nil {
			return err
		}
	}
	for _, topic := range []string{"keys", "old", "cold"} {
		if err := l.chill(topic); err != nil {
			return err
		}
	}
	return nil
}

// inTurns measures quiet and busy, pair by pair.
func (l *lab) inTurns() (figures, error) {
	out, err := takeTurns(l.turn)
	if err != nil {
		return nil, err
	}
	if files, active := l.segments("old"); l.cleanedUpTo("keys") <= 0 || strings.HasSuffix(files[0], "/00000000000000000000.log") {
		return nil, fmt.Errorf("the cleaner stands at %d, retention has left %d segments up to offset %d: they did not work", l.cleanedUpTo("keys"), len(files), active)
	}
	return out, nil
}

// takeTurns calls turn for quiet and busy. The second pair turns the order around,
// and so on, so that a drift weighs on both alike.
func takeTurns(turn func(working bool) (figures, []float64, error)) (figures, error) {
	turns, acks := map[bool][]figures{}, map[bool][]float64{}
	for pair := range *pairs {
		for _, working := range []bool{pair%2 == 1, pair%2 == 0} {
			before := stolen()
			f, all, err := turn(working)
			if err != nil {
				return nil, err
			}
			f["stolen_s"] = stolen() - before
			turns[working], acks[working] = append(turns[working], f), append(acks[working], all...)
		}
	}
	out := figures{"cold_MBps": middleOf(turns[true], "cold_MBps")}
	for working, name := range map[bool]string{false: "quiet", true: "busy"} {
		slices.Sort(acks[working])
		out[name+"_p50_ms"], out[name+"_p99_ms"] = quantile(acks[working], .5), quantile(acks[working], .99)
		out[name+"_cpu_pct"], out[name+"_stolen_s"] = middleOf(turns[working], "cpu_pct"), middleOf(turns[working], "stolen_s")
	}
	out["over_pct"] = (out["busy_p99_ms"]/out["quiet_p99_ms"] - 1) * 100
	return out, nil
}

func quantile(sorted []float64, q float64) float64 { return sorted[int(q*float64(len(sorted)))] }

func middleOf(turns []figures, figure string) float64 {
	var v []float64
	for _, f := range turns {
		v = append(v, f[figure])
	}
	return middle(v)
}

// turn measures one stretch of quiet, or of cleaner, retention and cold reader at
// work: figures and every latency in ms.
func (l *lab) turn(working bool) (f figures, acks []float64, err error) {
	if err := l.setWorking(working); err != nil {
		return nil, nil, err
	}
	if working {
		if err := l.chill("cold"); err != nil {
			return nil, nil, err
		}
		stop := l.background("drain", "-b", l.Addr(), "-t", "cold", "-mbps", "50")
		defer func() {
			cold, failed := stop()
			if err = errors.Join(err, failed); err == nil {
				f["cold_MBps"] = cold["MBps"]
			}
		}()
	}
	topic, err := l.newTopic(l.Server)
	if err != nil {
		return nil, nil, err
	}
	return l.paced(l.Dir(), "-b", l.Addr(), "-pid", fmt.Sprint(l.PID()), "-t", topic)
}

// paced times acknowledgements for one turn: figures and every single latency in ms.
func (b *bench) paced(dir string, args ...string) (figures, []float64, error) {
	samples := filepath.Join(dir, "samples")
	f, err := b.exec("pace", append(args, "-rate", "2000", "-d", "5s", "-samples", samples)...)
	if err != nil {
		return nil, nil, err
	}
	fmt.Println("pace", args, f)
	text, err := os.ReadFile(samples)
	var acks []float64
	for line := range strings.Lines(string(text)) {
		us, _ := strconv.ParseFloat(strings.TrimSpace(line), 64)
		acks = append(acks, us/1e3)
	}
	return f, acks, err
}

// setWorking lets cleaner and retention work on what is written, or holds them off.
func (l *lab) setWorking(on bool) error {
	young, most := frozen, "-1"
	if on {
		young, most = "0", fmt.Sprint(16<<20)
	}
	return errors.Join(l.set("keys", lag, young), l.set("old", "retention.bytes", most))
}

// chill puts a topic's files out of the page cache.
func (l *lab) chill(topic string) error {
	files, err := filepath.Glob(filepath.Join(l.LogDir(), topic+"-0", "*.log"))
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := chillFile(name); err != nil {
			return err
		}
	}
	return nil
}

func chillFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dropCache(f), f.Close())
}
