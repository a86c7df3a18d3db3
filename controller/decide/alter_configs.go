package decide

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxConfigValue bounds a value, in bytes.
const maxConfigValue = 1<<15 - 1

const cordonedKey = "cordoned.log.dirs"

func errConfigTooLong() *Error {
	return fail(kerr.InvalidConfig, "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.")
}

// setting is one key of a resource to change; a nil value removes it.
type setting struct {
	name  string
	value *string
}

// outcome answers for one resource.
type outcome func(t kmsg.ConfigResourceType, name string, err *Error)

// IncrementalAlterConfigs changes single keys (KIP-339). Each resource stands
// or falls by itself; one named twice is left alone.
func IncrementalAlterConfigs(e *Env, req *kmsg.IncrementalAlterConfigsRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	answer := func(t kmsg.ConfigResourceType, name string, err *Error) {
		r := kmsg.NewIncrementalAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName, r.ErrorCode, r.ErrorMessage = t, name, err.code(), err.message()
		resp.Resources = append(resp.Resources, r)
	}
	d := Decision{Atomic: true, Reply: resp}
	type resource = kmsg.IncrementalAlterConfigsRequestResource
	for _, r := range resourcesOnce(req.Resources, func(r *resource) (kmsg.ConfigResourceType, string) { return r.ResourceType, r.ResourceName }, answer) {
		res := image.Resource{Type: int8(r.ResourceType), Name: r.ResourceName}
		changes, err := e.increments(res, r.Configs)
		if err == nil {
			err = e.alter(&d, res, changes, nil)
		}
		answer(r.ResourceType, r.ResourceName, err)
		if len(d.Records) > MaxRecords {
			return Decision{}, errTooMany()
		}
	}
	return e.finishConfigs(d, req.ValidateOnly), nil
}

// AlterConfigs replaces all keys of each resource. What is not named goes back
// to its default.
func AlterConfigs(e *Env, req *kmsg.AlterConfigsRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	answer := func(t kmsg.ConfigResourceType, name string, err *Error) {
		r := kmsg.NewAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName, r.ErrorCode, r.ErrorMessage = t, name, err.code(), err.message()
		resp.Resources = append(resp.Resources, r)
	}
	d := Decision{Atomic: true, Reply: resp}
	type resource = kmsg.AlterConfigsRequestResource
	for _, r := range resourcesOnce(req.Resources, func(r *resource) (kmsg.ConfigResourceType, string) { return r.ResourceType, r.ResourceName }, answer) {
		res := image.Resource{Type: int8(r.ResourceType), Name: r.ResourceName}
		changes, gone := e.replacement(res, r.Configs)
		answer(r.ResourceType, r.ResourceName, e.alter(&d, res, changes, gone))
		if len(d.Records) > MaxRecords {
			return Decision{}, errTooMany()
		}
	}
	return e.finishConfigs(d, req.ValidateOnly), nil
}

// resourcesOnce returns the resources that are there once and can be altered
// here, and answers for the others.
func resourcesOnce[T any](all []T, of func(*T) (kmsg.ConfigResourceType, string), answer outcome) []*T {
	var known []T
	for i := range all {
		switch t, name := of(&all[i]); int8(t) {
		case image.TopicResource, image.BrokerResource, image.ClientMetricsResource, image.GroupResource:
			known = append(known, all[i])
		case image.BrokerLoggerResource:
			answer(t, name, fail(kerr.InvalidRequest, "Unexpected resource type BROKER_LOGGER."))
		default:
			answer(t, name, fail(kerr.UnsupportedVersion, "Unknown resource type %d.", int8(t)))
		}
	}
	once, twice := splitTwice(known, func(r *T) string {
		t, name := of(r)
		return string([]byte{byte(t)}) + name
	})
	for _, k := range twice {
		answer(kmsg.ConfigResourceType(k[0]), k[1:], fail(kerr.InvalidRequest, "Duplicate resource."))
	}
	return once
}

// increments turns operations into the values they come to.
func (e *Env) increments(res image.Resource, ops []kmsg.IncrementalAlterConfigsRequestResourceConfig) ([]setting, *Error) {
	current := e.Image.Configs.Of(res)
	var out []setting
	for _, op := range lastOfEach(ops, func(o *kmsg.IncrementalAlterConfigsRequestResourceConfig) string { return o.Name }) {
		old, had := current[op.Name]
		s := setting{name: op.Name}
		switch op.Op {
		case kmsg.IncrementalAlterConfigOpSet:
			s.value = op.Value
		case kmsg.IncrementalAlterConfigOpDelete:
		case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
			value, err := changeList(res, op, old, had)
			if err != nil {
				return nil, err
			}
			s.value = &value
		default:
			return nil, fail(kerr.InvalidRequest, "Unknown operation type %d for %s.", op.Op, op.Name)
		}
		out = appendIfChanged(out, res, s, old, had)
	}
	return out, nil
}

// appendIfChanged leaves out what changes nothing, but for brokers: they read
// files anew that a value names, keystores for instance, when it is set again.
func appendIfChanged(out []setting, res image.Resource, s setting, old string, had bool) []setting {
	same := s.value == nil && !had || s.value != nil && had && *s.value == old
	if same && res.Type != image.BrokerResource {
		return out
	}
	return append(out, s)
}

var opNames = map[kmsg.IncrementalAlterConfigOp]string{kmsg.IncrementalAlterConfigOpAppend: "APPEND", kmsg.IncrementalAlterConfigOpSubtract: "SUBTRACT"}

// changeList adds elements to or takes them from a list, its default if it is unset.
func changeList(res image.Resource, op *kmsg.IncrementalAlterConfigsRequestResourceConfig, old string, had bool) (string, *Error) {
	def := definition(res.Type, op.Name)
	if def == nil || def.Type != configs.List {
		return "", fail(kerr.InvalidConfig, "Can't %s to key %s because its type is not LIST.", opNames[op.Op], op.Name)
	}
	if op.Value == nil {
		return "", fail(kerr.InvalidRequest, "Null value not supported for : %s", op.Name)
	}
	if !had && def.Default != nil {
		old = *def.Default
	}
	list := slices.DeleteFunc(strings.Split(old, ","), func(s string) bool { return s == "" })
	if op.Op == kmsg.IncrementalAlterConfigOpAppend {
		list = appendNew(list, elements(*op.Value))
	} else {
		list = removeEach(list, elements(*op.Value))
	}
	return strings.Join(list, ","), nil
}

// appendNew appends the elements that list does not have yet, each once. How many there are is
// up to the client, and nobody else is served meanwhile.
func appendNew(list, more []string) []string {
	has := make(map[string]bool, len(list))
	for _, v := range list {
		has[v] = true
	}
	for _, v := range more {
		if !has[v] {
			has[v] = true
			list = append(list, v)
		}
	}
	return list
}

// removeEach removes from list, for each element of gone, the first that equals it.
func removeEach(list, gone []string) []string {
	times := make(map[string]int, len(gone))
	for _, v := range gone {
		times[v]++
	}
	return slices.DeleteFunc(list, func(v string) bool {
		times[v]--
		return times[v] >= 0
	})
}

// elements takes apart what is added to or taken from a list. Commas at the end
// count for nothing, but an empty text is an element, as in Kafka.
func elements(s string) []string {
	if s == "" {
		return []string{""}
	}
	if s = strings.TrimRight(s, ","); s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func definition(resource int8, name string) *configs.Def {
	kinds := map[int8]configs.Kind{image.TopicResource: configs.Topic, image.BrokerResource: configs.Broker,
		image.GroupResource: configs.Group, image.ClientMetricsResource: configs.ClientMetrics}
	if def, ok := configs.Lookup(kinds[resource], name); ok {
		return def
	}
	return nil
}

// replacement splits a full new configuration into what is set and what goes.
func (e *Env) replacement(res image.Resource, all []kmsg.AlterConfigsRequestResourceConfig) (set []setting, gone []setting) {
	current := e.Image.Configs.Of(res)
	named := map[string]bool{}
	for _, c := range lastOfEach(all, func(c *kmsg.AlterConfigsRequestResourceConfig) string { return c.Name }) {
		named[c.Name] = true
		old, had := current[c.Name]
		set = appendIfChanged(set, res, setting{c.Name, c.Value}, old, had)
	}
	for _, name := range sortedNames(current) {
		if !named[name] {
			gone = append(gone, setting{name: name})
		}
	}
	return set, gone
}

// alter appends the records of one resource if its configuration would be good.
func (e *Env) alter(d *Decision, res image.Resource, changes, gone []setting) *Error {
	current := e.Image.Configs.Of(res)
	all := supported(res, current)
	for _, s := range slices.Concat(changes, gone) {
		if err := e.checkSetting(res, s, current); err != nil {
			return err
		}
		if s.value == nil {
			delete(all, s.name)
		} else {
			all[s.name] = *s.value
		}
	}
	if err := e.checkResource(res, current, all); err != nil {
		return err
	}
	if err := e.checkExists(res); err != nil {
		return err
	}
	for _, s := range slices.Concat(changes, gone) {
		d.add(&records.ConfigRecord{ResourceType: res.Type, ResourceName: res.Name, Name: s.name, Value: s.value}, 0)
	}
	return nil
}

// supported copies the configuration of a resource without the keys that there are
// no more: an old log may hold some, which must not keep the others from being altered.
func supported(res image.Resource, current map[string]string) map[string]string {
	out := make(map[string]string, len(current))
	for name, value := range current {
		if res.Type == image.BrokerResource || definition(res.Type, name) != nil {
			out[name] = value
		}
	}
	return out
}

// checkSetting refuses single changes that would break what the cluster relies on.
func (e *Env) checkSetting(res image.Resource, s setting, current map[string]string) *Error {
	if res.Type == image.BrokerResource && s.name == minISRKey && e.elr() {
		if res.Name != "" {
			return fail(kerr.InvalidConfig, "Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
		}
		if s.value == nil {
			return fail(kerr.InvalidConfig, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
		}
	}
	if res.Type == image.BrokerResource && s.name == cordonedKey {
		if err := e.checkCordoned(s, current); err != nil {
			return err
		}
	}
	if s.value != nil && len(*s.value) > maxConfigValue {
		return errConfigTooLong()
	}
	return nil
}

// checkCordoned: only the broker can tell whether a directory exists, so that a
// controller asked directly can only take directories off the list.
func (e *Env) checkCordoned(s setting, current map[string]string) *Error {
	if !e.mv().SupportsCordonedDirs() {
		return fail(kerr.InvalidConfig, "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= 4.3-IV0")
	}
	if e.Forwarded || s.value == nil || strings.TrimSpace(*s.value) == "" {
		return nil
	}
	var have []string
	if dirs, set := current[s.name]; set {
		have = commaList(dirs)
	}
	for _, dir := range commaList(*s.value) {
		if !slices.Contains(have, dir) {
			return fail(kerr.InvalidConfig, "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current configuration value.")
		}
	}
	return nil
}

func commaList(s string) []string {
	var out []string
	for _, v := range strings.Split(s, ",") {
		out = append(out, strings.TrimSpace(v))
	}
	return out
}

// checkResource checks the name and the whole new configuration of a resource.
// A broker's values are checked by the broker that passed the request on: the
// controller does not know its static configuration.
func (e *Env) checkResource(res image.Resource, old, all map[string]string) *Error {
	var err error
	switch res.Type {
	case image.TopicResource:
		if res.Name == "" {
			return fail(kerr.InvalidRequest, "Default topic resources are not allowed.")
		}
		if err := checkTopicName(res.Name); err != nil {
			return err
		}
		err = configs.ValidateTopic(old, all, e.Config)
	case image.BrokerResource:
		return checkBrokerName(res.Name)
	case image.ClientMetricsResource:
		err = configs.ValidateClientMetrics(res.Name, all)
		var invalid *configs.InvalidError
		if err != nil && !errors.As(err, &invalid) && !errors.Is(err, configs.ErrMatchPattern) {
			return fail(kerr.InvalidRequest, "%v", err)
		}
	case image.GroupResource:
		if res.Name == "" {
			return fail(kerr.InvalidRequest, "Default group resources are not allowed.")
		}
		err = configs.ValidateGroup(all, e.Config)
	}
	if err != nil {
		return fail(kerr.InvalidConfig, "%v", err)
	}
	return nil
}

func checkBrokerName(name string) *Error {
	if name == "" {
		return nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return fail(kerr.InvalidRequest, "Unable to parse broker name as a base 10 number.")
	}
	if id < 0 {
		return fail(kerr.InvalidRequest, "Invalid negative broker ID.")
	}
	return nil
}

func (e *Env) checkExists(res image.Resource) *Error {
	switch {
	case res.Type == image.TopicResource && e.Image.Topics.ByName(res.Name) == nil:
		return fail(kerr.UnknownTopicOrPartition, "The topic '%s' does not exist.", res.Name)
	case res.Type == image.BrokerResource && res.Name != "":
		n, _ := strconv.ParseInt(res.Name, 10, 32)
		id := ids.NodeID(n)
		if e.Image.Cluster.Broker(id) == nil && e.Image.Cluster.Controller(id) == nil && !slices.Contains(e.Voters, id) {
			return fail(kerr.BrokerIDNotRegistered, "No node with id %d found.", n)
		}
	}
	return nil
}

// finishConfigs appends that eligible leaders are void where
// min.insync.replicas changes: they were worked out with the old value.
func (e *Env) finishConfigs(d Decision, validateOnly bool) Decision {
	if e.elr() {
		for _, v := range d.Records {
			if r, ok := v.Record.(*records.ConfigRecord); ok && r.Name == minISRKey {
				topic := ""
				if r.ResourceType == image.TopicResource {
					topic = r.ResourceName
				}
				d.add(&records.ClearELRRecord{TopicName: topic}, 0)
			}
		}
	}
	if validateOnly {
		d.Records = nil
	}
	return d
}
