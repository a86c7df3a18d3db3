package active

import (
	"math"
	"slices"
	"time"
)

// bounds are the upper ends of a histogram's buckets in ms, three a decade.
var bounds = []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000}

// Histogram counts durations since the node started.
type Histogram struct {
	Bounds []float64 // upper ends of the buckets in ms, ascending; read-only
	// Counts has one bucket more than Bounds, for what lies beyond the last.
	Counts   []uint64
	Count    uint64
	Sum      float64 // ms
	Min, Max float64 // ms; 0 when Count is
}

func (h *Histogram) add(d time.Duration) {
	ms := float64(d) / float64(time.Millisecond)
	if h.Counts == nil {
		h.Bounds, h.Counts, h.Min = bounds, make([]uint64, len(bounds)+1), ms
	}
	i, _ := slices.BinarySearch(bounds, ms)
	h.Counts[i]++
	h.Count++
	h.Sum += ms
	h.Min, h.Max = min(h.Min, ms), max(h.Max, ms)
}

func (h *Histogram) clone() Histogram {
	c := *h
	c.Counts = slices.Clone(h.Counts)
	return c
}

// Quantile is the duration in ms that a share q of all, 0 to 1, did not exceed:
// the upper end of its bucket, at most Max. 0 without any.
func (h *Histogram) Quantile(q float64) float64 {
	rank, seen := uint64(math.Ceil(q*float64(h.Count))), uint64(0)
	for i, n := range h.Counts {
		if seen += n; seen >= rank && n > 0 {
			if i == len(h.Bounds) {
				return h.Max
			}
			return min(h.Bounds[i], h.Max)
		}
	}
	return 0
}
