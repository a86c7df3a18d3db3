package arch

import (
	"strconv"
	"strings"
	"testing"
)

// allowed lists for each room which rooms of the project it may import besides
// itself. The first entry whose folder holds the importing file decides, so
// the particular stands before the general.
var allowed = []struct {
	room string
	may  []string
	why  string
}{
	{"protocol/ids", nil, "identifiers have no logic and stand below everything"},
	{"protocol/invariant", nil, "invariants stand below everything"},
	{"protocol", []string{"protocol"}, "protocol is bytes on a connection; it knows no topic and no disk"},
	{"storage/vfs", []string{"protocol/invariant"}, "the file system port knows nothing of logs"},
	{"storage", []string{"storage", "protocol/ids", "protocol/invariant", "protocol/batch"}, "storage knows batches and offsets, no requests and no error codes"},
	{"controller/image", []string{"controller/records", "protocol/ids", "protocol/invariant"}, "the image is pure metadata"},
	{"controller/records", []string{"protocol/ids", "protocol/invariant", "protocol/schema/wire"}, "records are bytes and structs"},
	{"controller/authz", []string{"controller/image", "protocol/ids", "protocol/invariant"}, "authz is pure over an image"},
	{"controller/raft", []string{"protocol/ids", "protocol/invariant"}, "the raft core does no IO and knows no records"},
	{"controller/decide", []string{"controller/image", "controller/records", "controller/authz", "protocol"}, "deciding is pure: image and request in, records out"},
	{"controller", []string{"controller", "storage", "protocol"}, "controller → storage → protocol"},
	{"groupcoord/runtime", []string{"groupcoord", "protocol"}, "the runtime reaches logs through ports that broker implements"},
	{"groupcoord", []string{"groupcoord", "protocol"}, "groupcoord declares ports; broker implements them"},
	{"sharegroup", []string{"sharegroup", "groupcoord", "protocol"}, "sharegroup → groupcoord → protocol"},
	{"broker", []string{"broker", "sharegroup", "groupcoord", "storage", "controller/image", "controller/authz", "controller/records", "protocol"}, "broker sees the controller only as an image"},
	{"cmd", []string{"cmd", "broker", "controller", "groupcoord", "sharegroup", "storage", "protocol"}, "cmd wires the rooms"},
	{"tests", []string{""}, "tests may import anything"},
}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, s := range load(t) {
		rule := -1
		for i, a := range allowed {
			if under(s.room, a.room) {
				rule = i
				break
			}
		}
		if rule < 0 {
			t.Errorf("%s: no room of docs/ARCHITECTURE.md holds this folder: draw it there and in tests/arch first", s.path)
			continue
		}
		for _, imp := range s.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			dep, ours := strings.CutPrefix(path, module+"/")
			if !ours || dep == s.room {
				continue
			}
			if under(dep, "tests") && !under(s.room, "tests") {
				t.Errorf("%s imports %s: nothing imports tests", s.path, dep)
				continue
			}
			if !mayImport(allowed[rule].may, dep) && !s.test {
				t.Errorf("%s imports %s: %s. Move the code, or declare a port in %s that the room above implements", s.path, dep, allowed[rule].why, s.room)
			}
		}
	}
}

func mayImport(may []string, dep string) bool {
	for _, m := range may {
		if m == "" || under(dep, m) {
			return true
		}
	}
	return false
}
