package api

import (
	"slices"
	"strconv"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// describeConfigs answers for this controller's own configuration and for the
// dynamic configuration of everything else that has one: for tools that talk
// to controllers directly. What brokers make of it only brokers can tell.
func (s *Server) describeConfigs() handle {
	return typed(func(r *request, req *kmsg.DescribeConfigsRequest) {
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for i := range req.Resources {
			resp.Resources = append(resp.Resources, s.describeResource(&req.Resources[i], req))
		}
		r.reply(resp)
	})
}

func (s *Server) describeResource(in *kmsg.DescribeConfigsRequestResource, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResource {
	out := kmsg.NewDescribeConfigsResponseResource()
	out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
	refuse := func(err *kerr.Error, text string) kmsg.DescribeConfigsResponseResource {
		out.ErrorCode, out.ErrorMessage = err.Code, &text
		return out
	}
	img := s.parts.Active.Image()
	res := image.Resource{Type: int8(in.ResourceType), Name: in.ResourceName}
	switch res.Type {
	case image.TopicResource:
		if img.Topics.ByName(res.Name) == nil {
			return refuse(kerr.UnknownTopicOrPartition, "This server does not host this topic-partition.")
		}
	case image.BrokerResource:
		if res.Name != "" && res.Name != strconv.Itoa(int(s.parts.Node.ID)) {
			return refuse(kerr.InvalidRequest, "Unexpected broker id, expected "+strconv.Itoa(int(s.parts.Node.ID))+" or empty string, but received "+res.Name)
		}
	case image.ClientMetricsResource, image.GroupResource:
	default:
		return refuse(kerr.InvalidRequest, "Unsupported resource type: "+strconv.Itoa(int(res.Type)))
	}
	out.ErrorMessage = new(string) // Kafka's text for no error is empty here and null elsewhere
	for _, e := range s.entries(img, res) {
		if len(in.ConfigNames) == 0 || slices.Contains(in.ConfigNames, e.Name) {
			out.Configs = append(out.Configs, e.entry(req))
		}
	}
	return out
}

// described is one key with the values it would have, the one in force first.
type described struct {
	*configs.Def
	chain []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym
}

var kindOf = map[int8]configs.Kind{image.TopicResource: configs.Topic, image.BrokerResource: configs.Broker,
	image.GroupResource: configs.Group, image.ClientMetricsResource: configs.ClientMetrics}

var sourceOf = map[int8]kmsg.ConfigSource{image.TopicResource: kmsg.ConfigSourceDynamicTopicConfig, image.BrokerResource: kmsg.ConfigSourceDynamicBrokerConfig,
	image.GroupResource: kmsg.ConfigSourceGroupConfig, image.ClientMetricsResource: kmsg.ConfigSourceClientMetricsConfig}

// entries lists the keys of a resource: of the cluster's default for brokers
// those that are set, of anything else all.
func (s *Server) entries(img *image.Image, res image.Resource) []described {
	own := img.Configs.Of(res)
	var out []described
	for _, def := range configs.All(kindOf[res.Type]) {
		value, set := own[def.Name]
		d := described{Def: def}
		switch {
		case res == image.Resource{Type: image.BrokerResource}:
			if set {
				d.add(def.Name, &value, kmsg.ConfigSourceDynamicDefaultBrokerConfig)
				out = append(out, d)
			}
			continue
		case !set && def.Internal:
			continue
		case set:
			d.add(def.Name, &value, sourceOf[res.Type])
		}
		s.inherit(&d, img)
		out = append(out, d)
	}
	return out
}

// inherit adds what a key comes to without a value of its own.
func (s *Server) inherit(d *described, img *image.Image) {
	all := img.Configs.Of(image.Resource{Type: image.BrokerResource})
	for _, syn := range d.Synonyms {
		if v, ok := all[syn.Name]; ok {
			d.add(syn.Name, &v, kmsg.ConfigSourceDynamicDefaultBrokerConfig)
		}
	}
	for _, syn := range d.Synonyms {
		if v, ok := s.parts.Node.Config.Raw(syn.Name); ok {
			d.add(syn.Name, &v, kmsg.ConfigSourceStaticBrokerConfig)
		}
	}
	if d.Default != nil || len(d.chain) == 0 {
		d.add(d.Name, d.Default, kmsg.ConfigSourceDefaultConfig)
	}
}

func (d *described) add(name string, value *string, source kmsg.ConfigSource) {
	c := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
	c.Name, c.Source = name, source
	if !d.Sensitive {
		c.Value = value
	}
	d.chain = append(d.chain, c)
}

// wireTypes are the codes of configuration types on the wire.
var wireTypes = map[configs.Type]kmsg.ConfigType{
	configs.Boolean: kmsg.ConfigTypeBoolean, configs.String: kmsg.ConfigTypeString, configs.Int: kmsg.ConfigTypeInt,
	configs.Short: kmsg.ConfigTypeShort, configs.Long: kmsg.ConfigTypeLong, configs.Double: kmsg.ConfigTypeDouble,
	configs.List: kmsg.ConfigTypeList, configs.Class: kmsg.ConfigTypeClass, configs.Password: kmsg.ConfigTypePassword,
}

func (d described) entry(req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	now := d.chain[0]
	c.Name, c.Value, c.Source, c.IsSensitive = d.Name, now.Value, now.Source, d.Sensitive
	c.IsDefault = now.Source == kmsg.ConfigSourceDefaultConfig
	c.ReadOnly = d.Kind == configs.Broker && d.Mode == configs.ReadOnly
	if req.IncludeSynonyms {
		c.ConfigSynonyms = d.chain
	}
	if req.Version >= 3 {
		c.ConfigType = wireTypes[d.Type]
		if req.IncludeDocumentation {
			doc := d.Doc
			c.Documentation = &doc
		}
	}
	return c
}
