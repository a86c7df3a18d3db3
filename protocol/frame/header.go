package frame

import (
	"encoding/binary"
	"fmt"

	"github.com/gregorbroker/gregor/protocol/apikey"
)

// fixedHeader is key, version and correlation id.
const fixedHeader = 8

// ParseHeader reads the header of a request frame, which begins behind the
// size prefix, and returns the body, which aliases it. On ErrUnsupportedKey and
// ErrUnsupportedVersion the header's numbers are set all the same. A version of
// ApiVersions that does not exist is no error here: see DecodeRequest.
func ParseHeader(frame []byte) (h Header, body []byte, err error) {
	body, err = h.Parse(frame)
	return h, body, err
}

// Parse is ParseHeader into h. A client id equal to the one h has is kept, so
// a connection that parses into the same Header allocates no string a request.
func (h *Header) Parse(frame []byte) (body []byte, err error) {
	if len(frame) < fixedHeader {
		return nil, fmt.Errorf("%w: header of %d bytes", ErrMalformed, len(frame))
	}
	h.Key = apikey.Key(binary.BigEndian.Uint16(frame))
	h.Version = int16(binary.BigEndian.Uint16(frame[2:]))
	h.CorrelationID = int32(binary.BigEndian.Uint32(frame[4:]))
	if err := h.supported(); err != nil {
		return nil, err
	}
	s := scan{buf: frame, at: fixedHeader, limit: headerBudget}
	id := s.nullableString()
	if requestFlexible(h.Key, h.Version) {
		s.tags(nil)
	}
	if s.err != nil {
		return nil, fmt.Errorf("%w: request header: %w", ErrMalformed, s.err)
	}
	h.HasClientID = id != nil
	if h.ClientID != string(id) {
		h.ClientID = string(id)
	}
	return frame[s.at:], nil
}

// supported tells whether key and version exist.
func (h *Header) supported() error {
	e, ok := apikey.Lookup(h.Key)
	switch {
	case !ok || e.Max < e.Min:
		return fmt.Errorf("%w %d", ErrUnsupportedKey, int16(h.Key))
	case !e.Exists(h.Version) && h.Key != apikey.ApiVersions:
		return fmt.Errorf("%w: %v version %d", ErrUnsupportedVersion, h.Key, h.Version)
	}
	return nil
}

// headerBudget bounds the tags of a header, which are skipped: it counts them
// as if they were kept.
const headerBudget = 64 << 10
