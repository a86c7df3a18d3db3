package conn

import (
	"encoding/binary"
	"errors"

	"github.com/gregorbroker/gregor/protocol/apikey"
	"github.com/gregorbroker/gregor/protocol/frame"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refusal returns the one answer that a request gets whose header says a
// version nobody knows: ApiVersions is answered in version 0, with an error and
// the versions of ApiVersions itself, so that the client can ask again (KIP-511).
// It returns nil for everything else: the connection is closed then.
func refusal(raw []byte, err error) kmsg.Response {
	if !errors.Is(err, frame.ErrUnsupportedVersion) || apikey.Key(binary.BigEndian.Uint16(raw)) != apikey.ApiVersions {
		return nil
	}
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = kerr.UnsupportedVersion.Code
	e, _ := apikey.Lookup(apikey.ApiVersions)
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = int16(e.Key), e.Min, e.MaxStable
	resp.ApiKeys = append(resp.ApiKeys, k)
	return resp
}
