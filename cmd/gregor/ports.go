package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"go.uber.org/zap"

	"github.com/gregorbroker/gregor/cmd/gregor/config"
	"github.com/gregorbroker/gregor/protocol/configs"
	"github.com/gregorbroker/gregor/protocol/conn"
)

// port is a listener whose address is bound; it listens when open is called.
type port struct {
	configs.Endpoint
	reservation *conn.Reservation
}

// ports are all listeners of the node.
type ports struct {
	broker, controller []port
}

// reservePorts binds every listener of the node and puts the real port where
// the configuration says 0, also into what is advertised.
func reservePorts(node *config.Node) (*ports, error) {
	p := &ports{}
	var err error
	if p.controller, err = reserveAll(node.ControllerListeners, node.ControllerAdvertised); err == nil {
		p.broker, err = reserveAll(node.Listeners, node.Advertised)
	}
	if err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

func reserveAll(listeners, advertised []configs.Endpoint) ([]port, error) {
	var out []port
	for _, e := range listeners {
		r, err := conn.Reserve(addr(e))
		if err != nil {
			return out, portError(e, err)
		}
		for i := range advertised {
			if advertised[i].Name == e.Name && advertised[i].Port == 0 {
				advertised[i].Port = r.Addr().Port
			}
		}
		e.Port = r.Addr().Port
		out = append(out, port{e, r})
	}
	return out, nil
}

func addr(e configs.Endpoint) string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

func portError(e configs.Endpoint, err error) error {
	return listenError(e.String(), "listeners", err)
}

// listenError says why a port cannot be had, and what to do; key is the property that asks for it.
func listenError(address, key string, err error) error {
	var unknown *net.DNSError
	var useless *net.AddrError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: the port is in use: stop the process that has it, or change %s", address, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("cannot listen on %s: this machine has no such address: correct the host in %s", address, key)
	case errors.As(err, &unknown) || errors.As(err, &useless):
		return fmt.Errorf("cannot listen on %s: %w: correct the host in %s", address, err, key)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s: not permitted: choose a port above 1023 in %s, or run with the right to bind it", address, key)
	default:
		return fmt.Errorf("cannot listen on %s: %w", address, err)
	}
}

// release gives up what was not opened.
func (p *ports) release() {
	for _, list := range [][]port{p.broker, p.controller} {
		for i := range list {
			if r := list[i].reservation; r != nil {
				r.Close()
			}
		}
	}
}

// open starts to listen; backlog is socket.listen.backlog.size.
func (p *port) open(backlog int32) (net.Listener, error) {
	r := p.reservation
	p.reservation = nil
	l, err := r.Listen(int(backlog))
	if err != nil {
		return nil, portError(p.Endpoint, err)
	}
	return l, nil
}

// tell prints what the node listens on and what it tells clients to connect to.
func (p *ports) tell(node *config.Node, log *zap.Logger) {
	for _, b := range p.broker {
		out := ""
		for _, a := range node.Advertised {
			if a.Name == b.Name {
				out = addr(configs.Endpoint{Host: orLocalhost(a), Port: a.Port})
				if (a.Host == "localhost" || a.Host == "127.0.0.1") && (b.Host == "" || b.Host == "0.0.0.0" || b.Host == "::") {
					log.Warn("Clients on other machines will be sent to themselves: the listener is open to them, but advertised as "+a.Host+"; set advertised.listeners",
						zap.String("listener", b.Name))
				}
			}
		}
		log.Info("Listener", zap.String("name", b.Name), zap.String("bound", addr(b.Endpoint)), zap.String("advertised", out), zap.String("protocol", b.Protocol))
	}
	for _, c := range p.controller {
		log.Info("Controller listener", zap.String("name", c.Name), zap.String("bound", addr(c.Endpoint)), zap.String("protocol", c.Protocol))
	}
}
