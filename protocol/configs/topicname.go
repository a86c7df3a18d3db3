package configs

import "errors"

// MaxTopicName leaves room for "-<partition>" and a suffix for deletion in a
// file name of 255 bytes.
const MaxTopicName = 249

// CheckTopicName says why a name cannot be a topic's, in Kafka's words; nil when
// it can. It is answered with INVALID_TOPIC_EXCEPTION.
func CheckTopicName(name string) error {
	bad := func(reason string) error { return errors.New("Topic name is invalid: " + reason) }
	switch {
	case name == "":
		return bad("the empty string is not allowed")
	case name == "." || name == "..":
		return bad("'" + name + "' is not allowed")
	case len(name) > MaxTopicName:
		return bad("the length of '" + name + "' is longer than the max allowed length 249")
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return bad("'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
		}
	}
	return nil
}
