// Package apache fetches Apache Kafka through Maven and runs its servers and
// command-line tools: the other half of every comparison.
//
// Fetch puts the jars into a cache folder once (libs/, about 130 MB) and writes
// bin/kafka-*.sh beside them with the names and arguments of Kafka's own
// scripts, so that a case reads as an operator would type it. Nothing of Apache
// Kafka is kept in the repository.
package apache

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gregorbroker/gregor/tests/node"
)

// Version is the release that everything is compared with.
const Version = "4.3.1"

//go:embed pom.xml
var pom []byte

// Home is a folder with bin/, config/ and libs/ of Apache Kafka.
type Home string

// Missing names the first tool that Fetch needs and does not find, or "".
func Missing() string {
	for _, t := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(t); err != nil {
			return t
		}
	}
	return ""
}

// Fetch installs Apache Kafka below cache unless it is there already.
func Fetch(cache string) (Home, error) {
	h := Home(filepath.Join(cache, "apache-kafka-"+Version))
	if err := h.fetchJars(); err != nil {
		return "", err
	}
	return h, h.writeScripts()
}

func (h Home) fetchJars() error {
	mark := filepath.Join(h.Libs(), ".complete")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if m := Missing(); m != "" {
		return fmt.Errorf("%s is not installed: Apache Kafka %s can not be fetched", m, Version)
	}
	if err := os.MkdirAll(h.Libs(), 0o755); err != nil {
		return err
	}
	p := filepath.Join(string(h), "pom.xml")
	if err := os.WriteFile(p, pom, 0o644); err != nil {
		return err
	}
	cmd := exec.Command("mvn", "-q", "-B", "-f", p, "dependency:copy-dependencies", "-DoutputDirectory="+h.Libs(), "-DincludeScope=runtime")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn: %w\n%s", err, out)
	}
	return os.WriteFile(mark, nil, 0o644)
}

// Libs is the folder of the jars.
func (h Home) Libs() string { return filepath.Join(string(h), "libs") }

// Classpath is what java needs to run anything of Kafka.
func (h Home) Classpath() string { return filepath.Join(h.Libs(), "*") }

// Tool is a command-line tool, such as kafka-topics.sh, ready to run.
func (h Home) Tool(name string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(string(h), "bin", name), args...)
}

// Software is an Apache Kafka server with heap as its maximum (java's -Xmx form,
// such as "1G").
func (h Home) Software(heap string) node.Software {
	return h.software("-Xmx" + heap + " -Xms" + heap)
}

// Light is an Apache Kafka server that starts quickly and takes little memory:
// for cases about what it does, not about how fast.
func (h Home) Light() node.Software {
	return h.software("-Xmx256m -Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1")
}

func (h Home) software(java string) node.Software {
	return node.Software{
		Name:  "apache",
		Ready: 90 * time.Second,
		Format: func(config, clusterID string, args ...string) *exec.Cmd {
			return h.Tool("kafka-storage.sh", append([]string{"format", "-c", config, "-t", clusterID}, args...)...)
		},
		Server: func(config string, overrides ...string) *exec.Cmd {
			args := []string{config}
			for _, o := range overrides {
				args = append(args, "--override", o)
			}
			cmd := h.Tool("kafka-server-start.sh", args...)
			cmd.Env = append(os.Environ(), "KAFKA_HEAP_OPTS="+java, "KAFKA_LOG4J="+filepath.Join(string(h), "config", "server-log4j2.xml"))
			return cmd
		},
	}
}

// Javac compiles one Java source against Kafka's jars into outDir.
func (h Home) Javac(source, outDir string) error {
	if _, err := exec.LookPath("javac"); err != nil {
		return errors.New("javac is not installed")
	}
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("javac", "-cp", h.Classpath(), "-d", outDir, source).CombinedOutput(); err != nil {
		return fmt.Errorf("javac %s: %w\n%s", source, err, out)
	}
	return nil
}
