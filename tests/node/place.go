package node

import (
	"fmt"
	"strings"
)

func (p Place) withDefaults() Place {
	if p.ID == 0 {
		p.ID = 1
	}
	if p.Roles == "" {
		p.Roles = "broker,controller"
	}
	if p.Host == "" {
		p.Host = "127.0.0.1"
	}
	return p
}

func (p Place) broker() bool     { return strings.Contains(p.Roles, "broker") }
func (p Place) controller() bool { return strings.Contains(p.Roles, "controller") }

// properties are those that say who s is and how it finds the quorum.
func (p Place) properties(s *Server, to map[string]string) {
	var listeners []string
	if p.broker() {
		listeners = append(listeners, "PLAINTEXT://"+s.Addr())
	}
	if p.controller() {
		listeners = append(listeners, "CONTROLLER://"+s.Controller())
	}
	to["process.roles"] = p.Roles
	to["node.id"] = fmt.Sprint(p.ID)
	to["listeners"] = strings.Join(listeners, ",")
	to["advertised.listeners"] = to["listeners"]
	if p.Static {
		to["controller.quorum.voters"] = s.first.static()
	} else {
		to["controller.quorum.bootstrap.servers"] = s.first.bootstrap()
	}
}
