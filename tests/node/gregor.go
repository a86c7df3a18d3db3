package node

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Gregor is the project's binary at path.
func Gregor(path string) Software {
	return Software{
		Name:  "gregor",
		Ready: 20 * time.Second,
		Format: func(config, clusterID string, args ...string) *exec.Cmd {
			return exec.Command(path, append([]string{"format", "-c", config, "-t", clusterID}, args...)...)
		},
		Server: func(config string, overrides ...string) *exec.Cmd {
			args := []string{"server", config}
			for _, o := range overrides {
				args = append(args, "--override", o)
			}
			return exec.Command(path, args...)
		},
	}
}

// Build compiles cmd/gregor once for this process and returns the binary's
// path. It lies below .cache, so that a second test package finds Go's own
// build cache warm and only links.
func Build() (string, error) { return build() }

var build = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	if err := lookAtSources(root); err != nil {
		return "", err
	}
	out := filepath.Join(root, ".cache", fmt.Sprintf("gregor-%d", os.Getpid()))
	cmd := exec.Command("go", "build", "-o", out, "./cmd/gregor")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/gregor: %w\n%s", err, b)
	}
	return out, nil
})

// lookAtSources asks for every Go file's state. "go test" keeps the result of a
// test until a file changes that it has looked at; without this it would not
// know that the binary depends on all of them, and would report what an older
// gregor did.
func lookAtSources(root string) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return filepath.SkipDir
		case strings.HasSuffix(p, ".go") || d.Name() == "go.mod":
			_, err := os.Stat(p)
			return err
		}
		return nil
	})
}

// Clean removes the binary that Build made, if it did.
func Clean() {
	root, err := Root()
	if err != nil {
		return
	}
	_ = os.Remove(filepath.Join(root, ".cache", fmt.Sprintf("gregor-%d", os.Getpid())))
}

// Root is the repository's root: the nearest folder upwards with a go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = up
	}
}
