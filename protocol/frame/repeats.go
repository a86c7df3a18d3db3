package frame

// MaxRepeats is how often one request may name the same thing and be told about it.
// Kafka has no bound; but a name of a few bytes can be answered with all members of
// a group, or all keys of a broker, and a request has room for a hundred thousand of them.
const MaxRepeats = 16

// Repeats counts what a request names.
type Repeats[K comparable] map[K]int

// TooMany counts one more k and tells whether it is one too many.
func (r Repeats[K]) TooMany(k K) bool {
	r[k]++
	return r[k] > MaxRepeats
}
