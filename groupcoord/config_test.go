package groupcoord

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/groupcoord/consumer"
)

// TestEveryFieldOfTheConfigurationIsRead: what the broker reads for us we go by.
// (broker/coord's TestEveryKeyOfGroupsActs shows that every key gets here.)
func TestEveryFieldOfTheConfigurationIsRead(t *testing.T) {
	for folder, kinds := range map[string][]reflect.Type{
		".":        {reflect.TypeFor[Config]()},
		"consumer": {reflect.TypeFor[consumer.Config](), reflect.TypeFor[consumer.Settings]()},
	} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		var code strings.Builder
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(src)
		}
		for _, kind := range kinds {
			for i := range kind.NumField() {
				name := kind.Field(i).Name
				if !regexp.MustCompile(`\.` + name + `\b`).MatchString(code.String()) {
					t.Errorf("nothing in groupcoord/%s reads %s.%s", folder, kind, name)
				}
			}
		}
	}
}
