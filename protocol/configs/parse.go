package configs

type validator interface {
	check(name string, value any) error
}

// Parse turns raw text into the key's value: bool, string, int32, int16,
// int64, float64, or []string for List. Errors read as Kafka's for the same
// mistake and name the key.
func (d *Def) Parse(raw string) (any, error) { return raw, nil }

// Nearest returns the known key of kind that is closest to name, or "" when
// none is close enough to be what was meant.
func Nearest(kind Kind, name string) string { return "" }
