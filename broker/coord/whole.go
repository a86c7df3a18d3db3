package coord

import "github.com/gregorbroker/gregor/protocol/batch"

// whole cuts off the batch at the end that was not read as a whole.
func whole(buf []byte) []byte {
	n := 0
	for rest := buf; ; {
		size, err := batch.Size(rest)
		if err != nil || size > len(rest) {
			return buf[:n]
		}
		n, rest = n+size, rest[size:]
	}
}
