package classic

// State is where a group is in the protocol.
type State uint8

// The states, with the names DescribeGroups and ListGroups use.
const (
	Empty State = iota
	PreparingRebalance
	CompletingRebalance
	Stable
	Dead
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}

func (s State) String() string { return stateNames[s] }

// from lists the states each state may be entered from.
var from = [...][]State{
	Empty:               {PreparingRebalance},
	PreparingRebalance:  {Stable, CompletingRebalance, Empty},
	CompletingRebalance: {PreparingRebalance},
	Stable:              {CompletingRebalance},
	Dead:                {Empty, PreparingRebalance, CompletingRebalance, Stable, Dead},
}

// mayEnter tells whether a group in state s may go to state to.
func (s State) mayEnter(to State) bool {
	for _, f := range from[to] {
		if f == s {
			return true
		}
	}
	return false
}
