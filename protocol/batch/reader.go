package batch

import (
	"bytes"
	"io"
)

// sourced pairs a pooled decompressor with the reader of its input, so that
// neither is allocated a batch.
type sourced[R io.Reader] struct {
	in  bytes.Reader
	dec R
}
