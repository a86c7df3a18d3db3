package sim

// Fault is a kind of thing that falls on the nodes, as it is counted: once it had an effect,
// not when it was planned. A partition counts by the messages that it held.
type Fault int

// The faults.
const (
	Stall Fault = iota
	BrokenConnection
	Stray
	Late
	RefusedConnection
	Halves
	Isolation
	OneWay
	Ring
	Swizzle
	Kill
	Shutdown
	PowerCut
	Blackout
	MidWriteCut
	Pause
	LongPause
	DiskError
	DiskFull
	FailedSync
	Rot
	LostDisk
	SmallDrift
	LargeDrift
	ClockJump
	Address
	VoterChange
	Upgrade
	Snapshot
	faultCount
)

var faultNames = [faultCount]string{
	Stall: "a message stalls", BrokenConnection: "a connection breaks under a request",
	Stray: "a message is handled after its connection broke", Late: "a message is held and handled much later, after what was sent in its place",
	RefusedConnection: "a connection is refused",
	Halves:            "a message is held by a partition in two", Isolation: "a message is held by the isolation of one node",
	OneWay: "a message is held in one direction", Ring: "a message is held by a ring of majorities", Swizzle: "a message is held by a swizzle",
	Kill: "a process is killed", Shutdown: "a node is shut down in order", PowerCut: "the power of a node goes", Blackout: "the power of all nodes goes", MidWriteCut: "the power goes in the middle of a write",
	Pause: "a process is stopped for a while", LongPause: "a process is stopped for long",
	DiskError: "a disk fails", DiskFull: "a disk is full", FailedSync: "a flush fails", Rot: "a file rots", LostDisk: "a disk is lost",
	SmallDrift: "a clock drifts by up to 1 %", LargeDrift: "a clock drifts by up to 5 %", ClockJump: "a wall clock jumps by up to an hour",
	Address: "a node moves", VoterChange: "the voters are asked to change", Upgrade: "kraft.version is asked to rise", Snapshot: "a snapshot is written",
}

func (f Fault) String() string { return faultNames[f] }

// Faults counts each kind.
type Faults [faultCount]int

// Add adds the counts of another run.
func (f *Faults) Add(o *Faults) {
	for k, n := range o {
		f[k] += n
	}
}

// Missing lists what never happened.
func (f *Faults) Missing() (out []Fault) {
	for k, n := range f {
		if n == 0 {
			out = append(out, Fault(k))
		}
	}
	return out
}

// hit counts a fault.
func (w *world) hit(f Fault) { w.faults[f]++ }
