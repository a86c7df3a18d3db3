// Package monitor is the HTTP port of a node: what it measures, whether it
// lives, whether it is ready.
//
//	/metrics      Prometheus text, under the names that Kafka's JMX beans get from the usual exporter rules
//	/livez        200 while the process answers
//	/readyz       200 once clients are served (a controller: once a leader is known), 503 and one line until then
//	/debug/pprof  Go's profiles
//
// Rooms below count for themselves and give plain numbers on being asked; the
// names of the metrics are only here. A scrape costs what it prints, between
// scrapes nothing is computed.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Source adds its numbers to the page of one scrape.
type Source func(*Page)

// Options describe the port.
type Options struct {
	// Ready tells why the node is not ready; nil when it is.
	Ready   func() error
	Sources []Source
	Logger  *zap.Logger
}

// Server is the HTTP port.
type Server struct{ http http.Server }

// headerTimeout bounds how long a request line and its headers may take.
const headerTimeout = 10 * time.Second

// New makes the port; Serve opens it.
func New(o Options) *Server {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector(o.Sources))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: zap.NewStdLog(o.Logger), ErrorHandling: promhttp.ContinueOnError,
	}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &Server{http: http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, ErrorLog: zap.NewStdLog(o.Logger)}}
}

// Serve answers on l until Close.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the port; a scrape that runs may finish until ctx ends.
func (s *Server) Close(ctx context.Context) error { return s.http.Shutdown(ctx) }
