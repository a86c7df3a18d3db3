package classic

import "testing"

// FuzzSubscribedTopics: members' metadata is anything they like.
func FuzzSubscribedTopics(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 1, 0, 0, 0, 2, 0, 1, 't', 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		all := map[string]struct{}{}
		subscribedTopics(b, all)
		size := 0
		for topic := range all {
			size += len(topic) + 2
		}
		if size > len(b) {
			t.Fatalf("%d bytes of topics out of %d", size, len(b))
		}
	})
}
