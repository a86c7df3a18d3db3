package main

import (
	"archive/tar"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// goldenFolder fills a small folder with all that Apache Kafka writes and packs
// it for the tests of storage/check and cmd/gregor/dump.
func (s *suite) goldenFolder() error {
	t := &c{suite: s, name: "golden"}
	m := t.mix(48<<10, 1<<20)
	m.seed, m.small = 1, true
	defer m.end()
	n := m.single(s.home.Light())
	m.topics()
	m.wave(true)
	m.share()
	m.wave(true)
	m.settle(n)
	m.stop(n)
	return pack(filepath.Join(s.root, "storage", "check", "checktest", "kafka-folder.tar.gz"), n.LogDir())
}

// share makes a share group that has acknowledged something.
func (m *mix) share() {
	m.admin("kafka-configs.sh", "--alter", "--entity-type", "groups", "--entity-name", "log-share", "--add-config", "share.auto.offset.reset=earliest")
	_, err := m.execFor(m.home.Tool("kafka-console-share-consumer.sh", "--bootstrap-server", m.srv.Addr(), "--topic", codecTopic("none"),
		"--group", "log-share", "--max-messages", "5", "--timeout-ms", "20000"), "", 60*time.Second)
	m.check(err)
}

// pack writes a folder's files, without what says when and by whom they were made.
func pack(name, dir string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel := strings.TrimPrefix(p, dir+string(filepath.Separator))
		if d.IsDir() {
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: rel + "/", Mode: 0o755})
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: rel, Mode: 0o644, Size: int64(len(b))}); err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return z.Close()
}
