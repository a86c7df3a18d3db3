package decide

import "github.com/twmb/franz-go/pkg/kerr"

const (
	maxTopicName  = 249 // with "-<partition>" and a suffix for deletion it stays below 255
	metadataTopic = "__cluster_metadata"
)

// checkTopicName tells what is wrong with the name of a topic to be.
func checkTopicName(name string) *Error {
	bad := func(reason string) *Error {
		return fail(kerr.InvalidTopicException, "Topic name is invalid: %s", reason)
	}
	switch {
	case name == "":
		return bad("the empty string is not allowed")
	case name == "." || name == "..":
		return bad("'" + name + "' is not allowed")
	case len(name) > maxTopicName:
		return bad("the length of '" + name + "' is longer than the max allowed length 249")
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return bad("'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
		}
	}
	return nil
}
