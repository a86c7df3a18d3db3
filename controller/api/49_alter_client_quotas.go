package api

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/gregorbroker/gregor/controller/active"
	"github.com/gregorbroker/gregor/controller/decide"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// resolveTimeout bounds how long the names of one request are looked up.
const resolveTimeout = 5 * time.Second

// alterClientQuotas: an address may be given by name, which only the network
// can tell from nonsense; nobody else waits for that.
func (s *Server) alterClientQuotas() handle {
	return typed(func(r *request, req *kmsg.AlterClientQuotasRequest) {
		decideWith := func(unknown map[string]bool) {
			s.parts.Active.Do(func(e *decide.Env) (decide.Decision, error) { return decide.AlterClientQuotas(e, req, unknown) }, active.Patient, r.answer)
		}
		names := hostNames(req)
		if len(names) == 0 {
			decideWith(nil)
			return
		}
		go func() { decideWith(unresolvable(names)) }()
	})
}

// hostNames are the addresses of a request that are not numeric.
func hostNames(req *kmsg.AlterClientQuotasRequest) []string {
	var out []string
	for i := range req.Entries {
		for _, p := range req.Entries[i].Entity {
			if p.Type != "ip" || p.Name == nil || *p.Name == "" {
				continue
			}
			if _, err := netip.ParseAddr(*p.Name); err != nil {
				out = append(out, *p.Name)
			}
		}
	}
	return out
}

func unresolvable(names []string) map[string]bool {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	out := map[string]bool{}
	for _, n := range names {
		if _, err := net.DefaultResolver.LookupHost(ctx, n); err != nil {
			out[n] = true
		}
	}
	return out
}
