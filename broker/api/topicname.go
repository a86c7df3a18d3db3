package api

import (
	"errors"
	"regexp"
)

// maxTopicName leaves room for "-<partition>" in a file name of 255 bytes.
const maxTopicName = 249

var topicCharacters = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// checkTopicName says why a name cannot be a topic's; nil when it can. It is
// answered with INVALID_TOPIC_EXCEPTION.
func checkTopicName(name string) error {
	const prefix = "Topic name is invalid: "
	switch {
	case name == "":
		return errors.New(prefix + "the empty string is not allowed")
	case name == "." || name == "..":
		return errors.New(prefix + "'" + name + "' is not allowed")
	case len(name) > maxTopicName:
		return errors.New(prefix + "the length of '" + name + "' is longer than the max allowed length 249")
	case !topicCharacters.MatchString(name):
		return errors.New(prefix + "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
	}
	return nil
}
