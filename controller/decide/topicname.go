package decide

import (
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/twmb/franz-go/pkg/kerr"
)

const metadataTopic = "__cluster_metadata"

// checkTopicName tells what is wrong with the name of a topic to be.
func checkTopicName(name string) *Error {
	if err := configs.CheckTopicName(name); err != nil {
		return fail(kerr.InvalidTopicException, "%v", err)
	}
	return nil
}
