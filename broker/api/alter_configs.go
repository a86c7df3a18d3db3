package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gregorbroker/gregor/broker/forward"
	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
	"github.com/gregorbroker/gregor/protocol/ids"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// alterer is what AlterConfigs and IncrementalAlterConfigs share. The broker
// that is asked checks what only it can check, its own configuration and log
// levels, and forwards the rest to the controller, which checks the other
// resources and writes all of them.
type alterer struct {
	config  *Config
	node    ids.NodeID
	loggers Loggers
	forward *forward.Client
}

// Operations of IncrementalAlterConfigs.
const (
	opSet      = 0
	opUnset    = 1
	opAppend   = 2
	opSubtract = 3
)

// refusal is an error for one resource. The zero value is none. Only an
// unexpected error has no text at all.
type refusal struct {
	code *kerr.Error
	text string
}

func (e refusal) wire() (code int16, text *string) {
	if e.code == nil {
		return 0, nil
	}
	if e.code == kerr.UnknownServerError && e.text == "" {
		return e.code.Code, nil
	}
	return e.code.Code, &e.text
}

func badRequest(format string, args ...any) refusal {
	return refusal{kerr.InvalidRequest, fmt.Sprintf(format, args...)}
}

// change is one key of an alteration; the older request only sets.
type change struct {
	name  string
	value *string
	op    int8
}

// checkShape refuses what is wrong with any resource: a key twice, a null.
func checkShape(changes []change) refusal {
	var nulls []string
	seen := make(map[string]bool, len(changes))
	for _, ch := range changes {
		if seen[ch.name] {
			return badRequest("Error due to duplicate config keys")
		}
		seen[ch.name] = true
		if ch.value == nil && ch.op != opUnset {
			nulls = append(nulls, ch.name)
		}
	}
	if len(nulls) > 0 {
		return badRequest("Null value not supported for : %s", strings.Join(nulls, ", "))
	}
	return refusal{}
}

// isMine checks that a broker resource is this broker or, when that is allowed,
// the cluster's default.
func (a *alterer) isMine(name string) refusal {
	if name == "" {
		return refusal{}
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return badRequest("Node id must be an integer, but it is: %s", name)
	}
	if ids.NodeID(id) != a.node {
		return badRequest("Unexpected broker id, expected %d, but received %s", a.node, name)
	}
	return refusal{}
}

// present is the dynamic configuration that a broker resource has now.
func (a *alterer) present(name string) map[string]string {
	layers := a.config.layers()
	from := layers.Broker
	if name == "" {
		from = layers.Cluster
	}
	out := make(map[string]string, len(from))
	for k, v := range from {
		out[k] = v
	}
	return out
}

// checkBroker validates the configuration that a broker resource would have.
func (a *alterer) checkBroker(name string, props map[string]string) refusal {
	layers := a.config.layers()
	other := layers.Cluster
	if name == "" {
		other = layers.Broker
	}
	if err := configs.ValidateDynamicBroker(a.config.Static, other, props, name != ""); err != nil {
		return badRequest("%s", err)
	}
	return refusal{}
}

// applied is props after the changes.
func applied(props map[string]string, changes []change) (map[string]string, refusal) {
	for _, ch := range changes {
		switch ch.op {
		case opSet:
			props[ch.name] = *ch.value
		case opUnset:
			delete(props, ch.name)
		case opAppend, opSubtract:
			d, known := configs.Lookup(configs.Broker, ch.name)
			word := map[int8]string{opAppend: "append", opSubtract: "subtract"}[ch.op]
			if !known || d.Name != ch.name {
				return nil, refusal{kerr.InvalidConfig, "Unknown config name: " + ch.name}
			}
			if d.Type != configs.List {
				return nil, refusal{kerr.InvalidConfig, "Config value " + word + " is not allowed for config key: " + ch.name}
			}
			props[ch.name] = editList(d, props, *ch.value, ch.op)
		default:
			return nil, badRequest("Unknown operations type %d", ch.op)
		}
	}
	return props, refusal{}
}

// editList appends the elements that are missing, or takes elements away.
func editList(d *configs.Def, props map[string]string, value string, op int8) string {
	old, ok := props[d.Name]
	if !ok && d.Default != nil {
		old = *d.Default
	}
	var list []string
	if old != "" {
		list = strings.Split(old, ",")
	}
	count := make(map[string]int, len(list))
	for _, element := range list {
		count[element]++
	}
	gone := map[string]int{}
	for _, element := range strings.Split(value, ",") {
		switch {
		case op == opAppend && count[element] == 0:
			list = append(list, element)
			count[element]++
		case op == opSubtract && count[element] > 0:
			count[element]--
			gone[element]++
		}
	}
	list = slices.DeleteFunc(list, func(element string) bool {
		gone[element]--
		return gone[element] >= 0
	})
	return strings.Join(list, ",")
}

// levels are the words that KIP-412 knows.
var levels = []string{"DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"}

const rootLogger = "root"

// alterLoggers checks the changes of log levels and, unless only validation is
// asked for, makes them.
func (a *alterer) alterLoggers(name string, changes []change, validateOnly bool) refusal {
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return badRequest("Node id must be an integer, but it is: %s", name)
	}
	if ids.NodeID(id) != a.node {
		return badRequest("Unexpected node id. Expected %d, but received %d", a.node, id)
	}
	for _, ch := range changes {
		if e := a.checkLogger(ch); e.code != nil {
			return e
		}
	}
	if validateOnly {
		return refusal{}
	}
	for _, ch := range changes {
		if ch.op == opSet {
			a.loggers.SetLevel(ch.name, *ch.value)
		} else {
			a.loggers.UnsetLevel(ch.name)
		}
	}
	return refusal{}
}

func (a *alterer) checkLogger(ch change) refusal {
	switch ch.op {
	case opAppend:
		return badRequest("APPEND operation is not allowed for the BROKER_LOGGER resource")
	case opSubtract:
		return badRequest("SUBTRACT operation is not allowed for the BROKER_LOGGER resource")
	case opSet, opUnset:
	default:
		return refusal{kerr.UnknownServerError, ""} // Kafka runs into a null
	}
	known := false
	if a.loggers != nil {
		_, known = a.loggers.Levels()[ch.name]
	}
	switch {
	case !known:
		return refusal{kerr.InvalidConfig, "Logger " + ch.name + " does not exist!"}
	case ch.op == opSet && !slices.Contains(levels, *ch.value):
		return refusal{kerr.InvalidConfig, "Cannot set the log level of " + ch.name + " to " + *ch.value +
			" as it is not a supported log level. Valid log levels are " + strings.Join(levels, ", ")}
	case ch.op == opUnset && ch.name == rootLogger:
		return badRequest("Removing the log level of the root logger is not allowed")
	}
	return refusal{}
}

// resourceID names a resource within a request.
type resourceID struct {
	typ  kmsg.ConfigResourceType
	name string
}

// outcome is what is told of one resource.
type outcome struct {
	code int16
	text *string
}

type outcomes map[resourceID]outcome

// alteration is one request of either kind; Q is its resource.
type alteration[Q any] struct {
	named func(*Q) resourceID
	// judge does what is the broker's part: checks, and log levels; done when
	// nothing is left for the controller.
	judge func(*Q, resourceID) (done bool, e refusal)
	// ask lets the controller do the rest. It blocks.
	ask   func(rest []Q) (outcomes, error)
	reply func([]outcome)
}

// carryOut judges the resources, has the controller do what is left, and tells
// both in the order of the request. A resource named twice is left alone.
func (x *alteration[Q]) carryOut(all []Q) {
	count := make(map[resourceID]int, len(all))
	for i := range all {
		count[x.named(&all[i])]++
	}
	out, open := make([]outcome, len(all)), make([]int, 0, len(all))
	for i := range all {
		id := x.named(&all[i])
		done, e := true, badRequest("Each resource must appear at most once.")
		if count[id] == 1 {
			done, e = x.judge(&all[i], id)
		}
		switch {
		case e.code != nil:
			out[i].code, out[i].text = e.wire()
		case !done:
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		x.reply(out)
		return
	}
	go func() {
		x.forward(all, open, out)
		x.reply(out)
	}()
}

// forward fills in the outcomes of the open resources.
func (x *alteration[Q]) forward(all []Q, open []int, out []outcome) {
	rest := make([]Q, 0, len(open))
	for _, i := range open {
		rest = append(rest, all[i])
	}
	got, err := x.ask(rest)
	for _, i := range open {
		o, answered := got[x.named(&all[i])]
		switch {
		case err != nil:
			o.code, o.text = failed(err).wire()
		case !answered:
			o.code = kerr.UnknownServerError.Code
		}
		out[i] = o
	}
}

// forwardedAs sends a request on in the name of its client.
func forwardedAs[R kmsg.Response](a *alterer, c *conn.Call, req kmsg.Request) (R, error) {
	resp, err := a.forward.ForwardAs(context.Background(), forward.OriginOf(c), req)
	answer, ok := resp.(R)
	if err == nil && !ok {
		err = errWrongReply
	}
	return answer, err
}

// checkResource is the part of the checks that both requests share after the
// shape: what kinds there are, and brokers by the configuration they would get.
func (a *alterer) checkResource(r resourceID, wanted func() (map[string]string, refusal)) refusal {
	switch int8(r.typ) {
	case image.TopicResource, image.ClientMetricsResource, image.GroupResource:
		return refusal{} // the controller's
	case image.BrokerResource:
		if e := a.isMine(r.name); e.code != nil {
			return e
		}
		props, e := wanted()
		if e.code != nil {
			return e
		}
		return a.checkBroker(r.name, props)
	}
	return badRequest("Unknown resource type %d", r.typ)
}

// failed is the error for every forwarded resource when forwarding failed.
func failed(err error) refusal {
	k := kerr.TypedErrorForCode(forward.Code(err))
	if k == nil {
		return refusal{}
	}
	return refusal{k, k.Description}
}

// errWrongReply says that the controller's answer is of another kind.
var errWrongReply = errors.New("the controller answered with another message")
