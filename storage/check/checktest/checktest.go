// Package checktest has a data folder of Apache Kafka 4.3.1 for tests: topics of
// every kind, that is all codecs, transactions, compaction, groups and share
// groups. `go run ./tests/interop -record -run folder` records it anew.
package checktest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"io"
	"sync"
)

//go:embed kafka-folder.tar.gz
var packed []byte

// Kafkas is the folder's files by name. They are shared: change a copy only.
var Kafkas = sync.OnceValues(func() (map[string][]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			if files[h.Name], err = io.ReadAll(r); err != nil {
				return nil, err
			}
		}
	}
})
