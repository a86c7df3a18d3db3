package clients

import (
	"context"
	"path/filepath"
	"strings"
)

// made makes a topic and writes to each of its partitions, so that all lie somewhere.
func (d *Dirs) made(ctx context.Context, topic string, partitions int32) error {
	if err := d.create(ctx, topic, partitions); err != nil {
		return err
	}
	for i := range partitions {
		if err := d.begin(ctx, topic, i); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dirs) place(ctx context.Context) error {
	if err := d.made(ctx, "t", 4); err != nil {
		return err
	}
	lies, resp, err := d.lies(ctx)
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, path := range lies {
		count[path]++
	}
	d.say("4 partitions: %d in %s, %d in %s", count[d.paths[0]], d.paths[0], count[d.paths[1]], d.paths[1])
	for _, dir := range resp.Dirs {
		d.say("%s: %s, space told %v, cordoned %v", dir.Dir, code(dir.ErrorCode), dir.TotalBytes > dir.UsableBytes && dir.UsableBytes > 0, dir.IsCordoned)
	}
	return nil
}

func (d *Dirs) refuse(ctx context.Context) error {
	for _, c := range []struct {
		what, topic string
		partition   int32
		path        string
	}{
		{"an unknown directory", "t", 0, filepath.Join(filepath.Dir(d.paths[0]), "x")},
		{"an unknown partition", "t", 9, d.paths[0]},
		{"an unknown topic", "nope", 0, d.paths[0]},
		{"a long name", strings.Repeat("x", 220), 0, d.paths[0]},
		{"a long name and an unknown directory", strings.Repeat("x", 220), 0, "/x"},
		{"no name", "", 0, d.paths[0]},
		{"a relative path", "t", 0, "a"},
	} {
		got, err := d.alter(ctx, c.topic, c.partition, c.path)
		if err != nil {
			return err
		}
		d.say("move %s: %s", c.what, got)
	}
	return nil
}
