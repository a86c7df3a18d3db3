package api

import (
	"slices"
	"strconv"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Sources of a value on the wire.
const (
	fromBroker        kmsg.ConfigSource = kmsg.ConfigSourceDynamicBrokerConfig
	fromBrokerDefault                   = kmsg.ConfigSourceDynamicDefaultBrokerConfig
	fromStatic                          = kmsg.ConfigSourceStaticBrokerConfig
	fromDefault                         = kmsg.ConfigSourceDefaultConfig
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
	for _, e := range s.entries(img, res) {
		if in.ConfigNames == nil || slices.Contains(in.ConfigNames, e.Name) {
			out.Configs = append(out.Configs, e.entry(req))
		}
	}
	return out
}

// described is one key with the value it has and where that comes from.
type described struct {
	*configs.Def
	value  *string
	source kmsg.ConfigSource
}

func (s *Server) entries(img *image.Image, res image.Resource) []described {
	kinds := map[int8]configs.Kind{image.TopicResource: configs.Topic, image.BrokerResource: configs.Broker,
		image.GroupResource: configs.Group, image.ClientMetricsResource: configs.ClientMetrics}
	own := img.Configs.Of(res)
	ownSource := map[int8]kmsg.ConfigSource{image.TopicResource: kmsg.ConfigSourceDynamicTopicConfig, image.BrokerResource: fromBroker,
		image.GroupResource: kmsg.ConfigSourceGroupConfig, image.ClientMetricsResource: kmsg.ConfigSourceClientMetricsConfig}[res.Type]
	if res.Type == image.BrokerResource && res.Name == "" {
		ownSource = fromBrokerDefault
	}
	var out []described
	for _, def := range configs.All(kinds[res.Type]) {
		if v, ok := own[def.Name]; ok {
			out = append(out, described{def, &v, ownSource})
		} else if res != (image.Resource{Type: image.BrokerResource}) && !def.Internal {
			value, source := s.inherited(img, def)
			out = append(out, described{def, value, source})
		}
	}
	return out
}

// inherited is the value a key has without one of its own.
func (s *Server) inherited(img *image.Image, def *configs.Def) (*string, kmsg.ConfigSource) {
	all := img.Configs.Of(image.Resource{Type: image.BrokerResource})
	for _, syn := range def.Synonyms {
		if v, ok := all[syn.Name]; ok && syn.PerUnit == 1 {
			return &v, fromBrokerDefault
		}
	}
	for _, syn := range def.Synonyms {
		if v, ok := s.parts.Node.Config.Raw(syn.Name); ok && syn.PerUnit == 1 {
			return &v, fromStatic
		}
	}
	return def.Default, fromDefault
}

// wireTypes are the codes of configuration types on the wire.
var wireTypes = map[configs.Type]kmsg.ConfigType{
	configs.Boolean: kmsg.ConfigTypeBoolean, configs.String: kmsg.ConfigTypeString, configs.Int: kmsg.ConfigTypeInt,
	configs.Short: kmsg.ConfigTypeShort, configs.Long: kmsg.ConfigTypeLong, configs.Double: kmsg.ConfigTypeDouble,
	configs.List: kmsg.ConfigTypeList, configs.Class: kmsg.ConfigTypeClass, configs.Password: kmsg.ConfigTypePassword,
}

func (d described) entry(req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Source, c.IsDefault, c.IsSensitive = d.Name, d.source, d.source == fromDefault, d.Sensitive
	c.ReadOnly = d.Kind == configs.Broker && d.Mode == configs.ReadOnly
	if !d.Sensitive {
		c.Value = d.value
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
