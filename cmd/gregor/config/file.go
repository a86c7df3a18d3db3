// Package config turns server.properties and --override flags into one typed
// description of the node. It is the only place that reads configuration;
// every room gets a struct with just its own settings.
package config

import (
	"fmt"
	"os"
	"strings"
)

// maxFileSize bounds a properties file; real ones have a few KiB.
const maxFileSize = 1 << 20

// ReadFile reads a Java properties file as Kafka does: ISO-8859-1 with \u
// escapes, the last of two equal keys wins, ${…} is not expanded.
func ReadFile(path string) (map[string]string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if st.IsDir() {
		return nil, fmt.Errorf("%s is a folder: name the properties file in it", path)
	}
	if st.Size() > maxFileSize {
		return nil, fmt.Errorf("%s has %d bytes: a properties file has at most %d", path, st.Size(), maxFileSize)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	props, err := parseProperties(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is not a properties file: %w", path, err)
	}
	for k, v := range props {
		props[k] = trim(v)
	}
	return props, nil
}

// trim drops what Kafka drops around a value: blanks and control characters.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

// Override sets each "key=value" of list in props, as kafka-server-start's
// --override does.
func Override(props map[string]string, list []string) error {
	for _, kv := range list {
		k, v, ok := strings.Cut(kv, "=")
		if k = strings.TrimSpace(k); !ok || k == "" {
			return fmt.Errorf("--override %q: write it as key=value", kv)
		}
		props[k] = trim(v)
	}
	return nil
}
