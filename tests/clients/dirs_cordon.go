package clients

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (d *Dirs) config(ctx context.Context, broker, name, value string) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, broker
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, &value
	r.Configs = append(r.Configs, c)
	req.Resources = append(req.Resources, r)
	resp, err := d.ask(ctx, req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
}

func (d *Dirs) cordon(ctx context.Context) error {
	if err := d.config(ctx, "1", "cordoned.log.dirs", d.paths[1]); err != nil {
		return err
	}
	var resp *kmsg.DescribeLogDirsResponse
	err := until(ctx, "the cordon", func() (ok bool, err error) {
		_, resp, err = d.lies(ctx)
		return err == nil && resp.Dirs[1].IsCordoned, err
	})
	if err != nil {
		return err
	}
	if err := d.made(ctx, "cordoned", 3); err != nil {
		return err
	}
	lies, _, err := d.lies(ctx)
	if err != nil {
		return err
	}
	got, err := d.alter(ctx, "cordoned", 0, d.paths[1])
	d.say("B is cordoned: new partitions in %s %s %s; move there: %s", lies["cordoned-0"], lies["cordoned-1"], lies["cordoned-2"], got)
	return errors.Join(err, d.config(ctx, "1", "cordoned.log.dirs", ""))
}
