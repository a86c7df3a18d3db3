package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/gregorbroker/gregor/protocol/apikey"
)

// What decoding a body may take of memory, in bytes: a base, so that small
// messages with many small fields pass, and a multiple of its size, up to a
// bound. Bytes that alias the frame do not count. Responses come from the
// brokers of our own cluster, which may say more at once.
const (
	budgetBase        = 1 << 20
	budgetFactor      = 16
	maxRequestBudget  = 64 << 20
	maxResponseBudget = 1 << 30
)

// What an unknown tagged field costs: a map for the first, entries for all.
const (
	costTagMap   = 512
	costTagEntry = 128
	// maxUnknownTags bounds them in one message. No client sends any today.
	maxUnknownTags = 1024
)

var (
	errShort   = errors.New("ends within a field")
	errVarint  = errors.New("varint too long")
	errLength  = errors.New("impossible length")
	errNull    = errors.New("null where none may be")
	errTags    = errors.New("too many tagged fields")
	errTagSize = errors.New("tagged field of a wrong size")
	errTag     = errors.New("tagged field of another version")
	errBudget  = errors.New("over the budget")
)

// Check verifies that body has the shape of its key and version and may be
// decoded. It allocates nothing unless it fails or meets a version for the
// first time. Like Kafka it does not mind bytes behind the message.
func Check(h Header, body []byte) error {
	_, err := checkRequest(h, body)
	return err
}

// checkRequest is Check and returns the size of the message within body.
func checkRequest(h Header, body []byte) (int, error) {
	if err := h.supported(); err != nil {
		return 0, err
	}
	return check(request, h.Key, h.Version, body, budget(len(body), maxRequestBudget))
}

func budget(size int, most int64) int64 { return min(budgetBase+budgetFactor*int64(size), most) }

func check(d direction, key apikey.Key, version int16, body []byte, limit int64) (int, error) {
	sh := shapeOf(d, key, version)
	if sh == nil {
		return 0, fmt.Errorf("%w: %v version %d", ErrUnsupportedVersion, key, version)
	}
	s := scan{buf: body, limit: limit}
	s.shape(sh)
	if s.err == nil {
		return s.at, nil
	}
	kind := ErrMalformed
	if s.err == errBudget {
		kind = ErrTooCostly
	}
	return 0, fmt.Errorf("%w: %v %s version %d of %d bytes: %w", kind, key, directionNames[d], version, len(body), s.err)
}

// scan goes over a message. The first fault sticks and moves at to the end, so
// that everything after it ends at once: loops ask for err.
type scan struct {
	buf         []byte
	at          int
	cost, limit int64
	unknown     int // unknown tags so far
	err         error
}

func (s *scan) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.at = len(s.buf)
}

func (s *scan) left() int { return len(s.buf) - s.at }

func (s *scan) skip(n int) {
	if n > s.left() {
		s.fail(errShort)
		return
	}
	s.at += n
}

// charge adds to the cost. n comes from a count already held against the bytes
// left, so the sum cannot overflow.
func (s *scan) charge(n int64) {
	if s.cost += n; s.cost > s.limit {
		s.fail(errBudget)
	}
}

func (s *scan) uvarint() uint32 {
	if s.at < len(s.buf) && s.buf[s.at] < 0x80 {
		s.at++
		return uint32(s.buf[s.at-1])
	}
	v, n := binary.Uvarint(s.buf[s.at:])
	switch {
	case n == 0:
		s.fail(errShort)
		return 0
	case n < 0 || n > 5 || v > 1<<32-1:
		s.fail(errVarint)
		return 0
	}
	s.at += n
	return uint32(v)
}

// length takes the length or count of o: -1 null, otherwise at most what is left.
func (s *scan) length(o *op) int {
	var n int
	switch {
	case o.compact:
		n = int(s.uvarint()) - 1
	case s.left() < o.lengthSize():
		s.fail(errShort)
		return -1
	case o.kind == opString:
		n = int(int16(binary.BigEndian.Uint16(s.buf[s.at:])))
		s.at += 2
	default:
		n = int(int32(binary.BigEndian.Uint32(s.buf[s.at:])))
		s.at += 4
	}
	switch {
	case s.err != nil:
		return -1
	case n < 0 && !o.nullable:
		// Kafka takes any negative length for null.
		s.fail(errNull)
	case n > s.left():
		s.fail(errLength)
	}
	return n
}

func (s *scan) shape(sh *shape) {
	for i := range sh.ops {
		if s.err != nil {
			return
		}
		s.op(&sh.ops[i])
	}
	if sh.tags != nil && s.err == nil {
		s.tags(sh.tags)
	}
}

func (s *scan) op(o *op) {
	switch o.kind {
	case opFixed:
		s.skip(o.size)
	case opString:
		s.string(o)
	case opBytes:
		if n := s.length(o); n > 0 && s.err == nil {
			s.at += n
		}
	case opArray:
		s.array(o)
	case opStruct:
		s.structure(o)
	}
}

// maxString is the longest string that Kafka takes, whatever the length's form.
const maxString = 1<<15 - 1

func (s *scan) string(o *op) {
	n := s.length(o)
	switch {
	case s.err != nil || n <= 0:
	case n > maxString:
		s.fail(errLength)
	default:
		s.at += n
		s.charge(int64(n + n/8 + 16)) // the copy, as the allocator rounds it up
	}
}

func (s *scan) array(o *op) {
	n := s.length(o)
	if n <= 0 || s.err != nil {
		return
	}
	if n > s.left()/max(o.elem.min, 1) {
		s.fail(errLength)
		return
	}
	cost := int64(n) * o.elemCost
	s.charge(cost + cost/8)
	if o.elem.fixed {
		s.skip(n * o.elem.min)
		return
	}
	for ; n > 0 && s.err == nil; n-- {
		s.shape(o.elem)
	}
}

func (s *scan) structure(o *op) {
	if o.nullable {
		if s.left() == 0 {
			s.fail(errShort)
			return
		}
		mark := int8(s.buf[s.at])
		s.at++
		if mark < 0 {
			// Kafka takes any negative byte for null and writes -1; kmsg takes
			// only that.
			if mark != -1 {
				s.fail(errNull)
			}
			return
		}
		s.charge(o.elem.cost)
	}
	s.shape(o.elem)
}

// tags goes over a tag section; sec may be nil, then no tag is known.
func (s *scan) tags(sec *tagSection) {
	n := s.uvarint()
	if n == 0 || s.err != nil {
		return
	}
	if int(n) > s.left()/2 {
		s.fail(errLength)
		return
	}
	first := true
	for ; n > 0 && s.err == nil; n-- {
		tag, size := s.uvarint(), s.uvarint()
		if int(size) > s.left() {
			s.fail(errLength)
			return
		}
		if t := sec.find(tag); t != nil {
			s.tagged(t, int(size))
			continue
		}
		if sec != nil && slices.Contains(sec.other, tag) {
			s.fail(errTag)
			return
		}
		s.unknownTag(int(size), first)
		first = false
	}
}

func (sec *tagSection) find(tag uint32) *tagged {
	if sec == nil {
		return nil
	}
	for i := range sec.known {
		if sec.known[i].tag == tag {
			return &sec.known[i]
		}
	}
	return nil
}

// tagged goes over the value of a known tag within a scan that ends with it:
// a count in it must not reach for the bytes behind.
func (s *scan) tagged(t *tagged, size int) {
	whole, end := s.buf, s.at+size
	s.buf = whole[:end]
	if !t.nullableStruct || s.uvarint() != 0 {
		s.charge(t.value.cost)
		s.shape(&t.value)
	}
	if s.err == nil && s.at != end {
		s.fail(errTagSize)
	}
	s.buf = whole
}

func (s *scan) unknownTag(size int, first bool) {
	s.at += size
	s.charge(costTagEntry)
	if first {
		s.charge(costTagMap)
	}
	if s.unknown++; s.unknown > maxUnknownTags {
		s.fail(errTags)
	}
}

// nullableString takes a string of the header, which is never compact.
func (s *scan) nullableString() []byte {
	n := s.length(&op{kind: opString, nullable: true})
	if s.err != nil || n < 0 {
		return nil
	}
	s.at += n
	return s.buf[s.at-n : s.at : s.at]
}
