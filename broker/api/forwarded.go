package api

import (
	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// forwarded makes the handler of a key that the active controller answers: the
// request goes there in an envelope and the answer comes back as it is. fail
// makes the answer for when there is no controller to be had in time.
func forwarded[R kmsg.Request](client *forward.Client, fail func(r R, code int16, text *string) kmsg.Response) Handle {
	if client == nil {
		return nil
	}
	return Typed(func(c *conn.Call, r R) {
		client.Forward(c, func(code int16) kmsg.Response {
			var text *string
			if k := kerr.TypedErrorForCode(code); k != nil {
				text = &k.Description
			}
			return fail(r, code, text)
		})
	})
}
