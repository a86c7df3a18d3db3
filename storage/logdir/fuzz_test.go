package logdir

import (
	"bytes"
	"os"
	"testing"

	"github.com/gregorbroker/gregor/protocol/ids"
)

// FuzzMeta: a meta.properties that is read keeps its meaning when it is written
// and read again, and is written the same from then on.
func FuzzMeta(f *testing.F) {
	b, err := os.ReadFile("testdata/meta.properties")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(EncodeMeta(MetaProperties{Version: 1, ClusterID: "c", NodeID: 7, HasNodeID: true, DirectoryID: ids.DirectoryID{200}}))
	f.Add([]byte("version=0\nbroker.id=3\ncluster.id=x"))
	f.Add([]byte("version=1\ncluster.id=\\u0020a\\\n  b\nnode.id=-1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMeta(b)
		if err != nil {
			return
		}
		once := EncodeMeta(m)
		again, err := ParseMeta(once)
		if err != nil || again != m || !bytes.Equal(EncodeMeta(again), once) {
			t.Fatalf("%+v was read as %+v from %q: %v", m, again, once, err)
		}
	})
}
