package clients

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gregorbroker/gregor/tests/apache"
)

//go:embed java python node
var programs embed.FS

// Client is one installed client program: Command runs its round trip.
type Client struct {
	Name    string
	Command func(addr string, count int, codecs []string) *exec.Cmd
}

func command(prog string, fixed ...string) func(string, int, []string) *exec.Cmd {
	return func(addr string, count int, codecs []string) *exec.Cmd {
		args := append(append([]string{}, fixed...), addr, fmt.Sprint(count))
		return exec.Command(prog, append(args, codecs...)...)
	}
}

// Java compiles the Java client's program against Apache Kafka's jars.
func Java(cache string, h apache.Home) ([]Client, error) {
	if _, err := exec.LookPath("javac"); err != nil {
		return nil, Missing{"javac", "the Java client is skipped"}
	}
	dir, err := unpack(cache, "java")
	if err != nil {
		return nil, err
	}
	if err := h.Javac(filepath.Join(dir, "RoundTrip.java"), dir); err != nil {
		return nil, err
	}
	return []Client{{"java", command("java", "-Xmx512M", "-Dlog4j2.configurationFile="+filepath.Join(string(h), "config", "tools-log4j2.xml"), "-cp", dir+":"+h.Classpath(), "RoundTrip")}}, nil
}

// Python installs confluent-kafka (librdkafka) and aiokafka into a virtual environment.
func Python(cache string) ([]Client, error) {
	if _, err := exec.LookPath("python3"); err != nil {
		return nil, Missing{"python3", "confluent-kafka and aiokafka are skipped"}
	}
	dir, err := unpack(cache, "python")
	if err != nil {
		return nil, err
	}
	venv := filepath.Join(dir, "venv")
	py := filepath.Join(venv, "bin", "python")
	err = once(dir, "requirements.txt", func() error {
		if err := run(dir, nil, "python3", "-m", "venv", "--clear", venv); err != nil {
			return Missing{"python3-venv", "confluent-kafka and aiokafka are skipped: " + err.Error()}
		}
		return run(dir, nil, py, "-m", "pip", "install", "-q", "-r", "requirements.txt")
	})
	if err != nil {
		return nil, err
	}
	return []Client{
		{"confluent-python", command(py, filepath.Join(dir, "confluent_roundtrip.py"))},
		{"aiokafka", command(py, filepath.Join(dir, "aiokafka_roundtrip.py"))},
	}, nil
}

// Node installs kafkajs and @confluentinc/kafka-javascript. The second brings a
// prebuilt library only from a release page, not from the registry, so it is
// compiled here when that page is out of reach; NativeErr then says why not if
// it could not be.
func Node(cache string) (cs []Client, nativeErr error, err error) {
	for _, t := range []string{"node", "npm"} {
		if _, err := exec.LookPath(t); err != nil {
			return nil, nil, Missing{t, "kafkajs and @confluentinc/kafka-javascript are skipped"}
		}
	}
	dir, err := unpack(cache, "node")
	if err != nil {
		return nil, nil, err
	}
	err = once(dir, "package-lock.json", func() error {
		return run(dir, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	})
	if err != nil {
		return nil, nil, err
	}
	prog := filepath.Join(dir, "roundtrip.js")
	cs = []Client{{"kafkajs", command("node", prog, "kafkajs")}}
	if nativeErr = buildNative(dir); nativeErr == nil {
		cs = append(cs, Client{"confluent-javascript", command("node", prog, "confluent-javascript")})
	}
	return cs, nativeErr, nil
}

// nativePackages are the Debian names of what librdkafka is compiled with.
var nativePackages = []string{"g++", "make", "libcurl4-openssl-dev", "libssl-dev", "libzstd-dev", "zlib1g-dev"}

func buildNative(dir string) error {
	lib := filepath.Join(dir, "node_modules", "@confluentinc", "kafka-javascript", "build", "Release", "confluent-kafka-javascript.node")
	if _, err := os.Stat(lib); err == nil {
		return nil
	}
	if err := AptInstall(nativePackages...); err != nil {
		return Missing{"g++, make or a -dev package", "@confluentinc/kafka-javascript is skipped: " + err.Error()}
	}
	// "dynamic" links the shared libraries of the system instead of downloading
	// and compiling four more source trees.
	rebuild := func(jobs string) error {
		return run(dir, []string{"CKJS_LINKING=dynamic", "MAKEFLAGS=" + jobs}, "npm", "rebuild", "@confluentinc/kafka-javascript", "--loglevel=error")
	}
	if err := rebuild("-j2"); err == nil {
		return nil
	}
	return rebuild("-j1") // its makefiles now and then start a file before the header that it needs is made
}

// AptInstall makes sure that Debian packages are there; it needs root only if one is not.
func AptInstall(pkgs ...string) error {
	if exec.Command("dpkg", append([]string{"-s"}, pkgs...)...).Run() == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("not a Debian system, and nothing else is known here to install packages")
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("not root, so `apt-get install %v` was not tried", pkgs)
	}
	install := append([]string{"install", "-y", "-q", "--no-install-recommends"}, pkgs...)
	if run("", nil, "apt-get", install...) == nil {
		return nil
	}
	if err := run("", nil, "apt-get", "update", "-q"); err != nil {
		return err
	}
	return run("", nil, "apt-get", install...)
}

// unpack writes the programs of one language below the cache and returns the folder.
func unpack(cache, lang string) (string, error) {
	dir := filepath.Join(cache, "clients", lang)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	es, err := programs.ReadDir(lang)
	if err != nil {
		return "", err
	}
	for _, e := range es {
		if e.IsDir() {
			continue
		}
		b, err := programs.ReadFile(lang + "/" + e.Name())
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), b, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// once runs install unless it has run for the same contents of the lock file.
func once(dir, lock string, install func() error) error {
	want, err := os.ReadFile(filepath.Join(dir, lock))
	if err != nil {
		return err
	}
	mark := filepath.Join(dir, ".installed-"+lock)
	if have, err := os.ReadFile(mark); err == nil && string(have) == string(want) {
		return nil
	}
	if err := install(); err != nil {
		return err
	}
	return os.WriteFile(mark, want, 0o644)
}

func run(dir string, env []string, prog string, args ...string) error {
	cmd := exec.Command(prog, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", prog, args, err, lastBytes(out, 4000))
	}
	return nil
}

func lastBytes(b []byte, n int) []byte {
	return b[max(0, len(b)-n):]
}
