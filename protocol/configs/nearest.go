package configs

// Nearest returns the known key of kind that differs least from name, for "did
// you mean" lines, or "" when nothing is close: more than a third of its
// letters would have to change.
func Nearest(kind Kind, name string) string {
	best, bestDistance := "", len(name)/3+1
	if len(name) > 200 {
		return ""
	}
	for _, d := range All(kind) {
		if d.Internal {
			continue
		}
		if n := distance(name, d.Name, bestDistance); n < bestDistance {
			best, bestDistance = d.Name, n
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b, or at least limit when it is
// not below limit.
func distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff >= limit || -diff >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal, low := row[0], i
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
			low = min(low, row[j])
		}
		if low >= limit {
			return limit
		}
	}
	return row[len(b)]
}
