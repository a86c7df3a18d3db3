package monitor

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// Page takes the numbers of one scrape. Beans and attributes are given as
// Kafka names them over JMX:
//
//	Gauge("kafka.server", "ReplicaManager", "LeaderCount", …)     kafka.server:type=ReplicaManager,name=LeaderCount
//	Counter("kafka.server", "ReplicaManager", "IsrShrinksPerSec") … its Count: …_isrshrinks_total
//	Gauge("kafka.server", "raft-metrics", "current-leader", …)    attribute current-leader of kafka.server:type=raft-metrics
type Page struct {
	out   chan<- prometheus.Metric
	descs map[string]*prometheus.Desc
}

// Label is one label of a metric.
type Label struct{ Name, Value string }

// Gauge adds a number that goes up and down.
func (p *Page) Gauge(domain, bean, name string, value float64, labels ...Label) {
	p.add(MetricName(domain, bean, name), domain, bean, name, prometheus.GaugeValue, value, labels)
}

// Counter adds a number that only grows.
func (p *Page) Counter(domain, bean, name string, value float64, labels ...Label) {
	p.add(counterName(domain, bean, name), domain, bean, name, prometheus.CounterValue, value, labels)
}

// Own adds a gauge that no bean of Kafka has, under its full name.
func (p *Page) Own(name, help string, value float64, labels ...Label) {
	p.put(name, help, prometheus.GaugeValue, value, labels)
}

func (p *Page) add(metric, domain, bean, name string, kind prometheus.ValueType, value float64, labels []Label) {
	p.put(metric, beanText(domain, bean, name), kind, value, labels)
}

// beanText is the help of a metric: what JMX calls it.
func beanText(domain, bean, name string) string {
	if strings.Contains(bean, "-") {
		return name + " of " + domain + ":type=" + bean
	}
	return domain + ":type=" + bean + ",name=" + name
}

func (p *Page) put(name, help string, kind prometheus.ValueType, value float64, labels []Label) {
	values := make([]string, len(labels))
	for i, l := range labels {
		values[i] = printable(l.Value)
	}
	p.out <- prometheus.MustNewConstMetric(p.desc(name, help, labels), kind, value, values...)
}

// printable is a label's value as the page can have it, in UTF-8: clients name groups
// as they like, and one name must not cost the page its other lines.
func printable(v string) string {
	if utf8.ValidString(v) {
		return v
	}
	var b strings.Builder
	for len(v) > 0 {
		r, n := utf8.DecodeRuneInString(v)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, v[0])
		} else {
			b.WriteString(v[:n])
		}
		v = v[n:]
	}
	return b.String()
}

// desc makes each metric's description once a scrape.
func (p *Page) desc(name, help string, labels []Label) *prometheus.Desc {
	if d, ok := p.descs[name]; ok {
		return d
	}
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = l.Name
	}
	d := prometheus.NewDesc(name, help, names, nil)
	p.descs[name] = d
	return d
}

// collector asks the sources at each scrape. It describes nothing ahead: what
// there is depends on the node's roles and topics.
type collector []Source

// Describe implements prometheus.Collector.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	p := &Page{out: out, descs: map[string]*prometheus.Desc{}}
	for _, s := range c {
		s(p)
	}
}

// spellings are the bean types whose dashes the usual rules drop, where others
// turn into underscores.
var spellings = map[string]string{"raft-metrics": "raftmetrics", "broker-metadata-metrics": "brokermetadatametrics"}

var toUnderscore = strings.NewReplacer("-", "_", ".", "_")

// MetricName is what the exporter rules that most dashboards were made for
// call an attribute of a bean.
func MetricName(domain, bean, name string) string {
	b, ok := spellings[bean]
	if !ok {
		b = toUnderscore.Replace(bean)
	}
	return strings.ToLower(toUnderscore.Replace(domain) + "_" + b + "_" + toUnderscore.Replace(name))
}

// counterName: …PerSec beans count under …_total, as do counts of the newer
// beans, which end in -count or -total.
func counterName(domain, bean, name string) string {
	n := strings.TrimSuffix(MetricName(domain, bean, strings.TrimSuffix(name, "PerSec")), "_total")
	return n + "_total"
}
