package configs

// ValidateBroker checks a whole server configuration (key → raw value, as in
// server.properties; absent keys take their defaults): each key by itself, then
// the keys against each other. Every problem is one line that names the cause
// and the cure. Unknown keys are not an error (see Nearest).
func ValidateBroker(props map[string]string) []error { return nil }

// ValidateTopic checks a topic's whole configuration: each key by itself, then
// the keys against each other.
func ValidateTopic(props map[string]string) error { return nil }

// ValidateGroup checks a group's whole configuration. broker gives the value of
// a broker key (the bounds group.*.min/max live there).
func ValidateGroup(props map[string]string, broker func(name string) string) error { return nil }

// ValidateClientMetrics checks a client-metrics subscription.
func ValidateClientMetrics(props map[string]string) error { return nil }
