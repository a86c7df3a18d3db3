package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire is one connection that carries one request at a time, as a group
// member's connection to its coordinator does.
type wire struct {
	conn net.Conn
	next int32 // correlation id
	buf  []byte
}

// dialWire connects; software, if not empty, is how the client announces itself.
func dialWire(addr, software string) (*wire, error) {
	c, err := net.DialTimeout("tcp", addr, 30*time.Second)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: c}
	if software == "" {
		return w, nil
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, software, "4.3.1"
	if _, err := w.do(req); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return w, nil
}

func (w *wire) do(req kmsg.Request) (kmsg.Response, error) {
	w.next++
	w.buf = kmsg.NewRequestFormatter(kmsg.FormatterClientID("kbench")).AppendRequest(w.buf[:0], req, w.next)
	if _, err := w.conn.Write(w.buf); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(w.conn, size[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(size[:]))
	if cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	body := w.buf[:n]
	if _, err := io.ReadFull(w.conn, body); err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	body = body[4:] // correlation id
	if resp.IsFlexible() && req.Key() != 18 {
		body = body[1:] // no tags in the header
	}
	return resp, resp.ReadFrom(body)
}

// coordinator is the address of a group's coordinator, asked for until it is known.
func (o options) coordinator(ctx context.Context, group string) (string, error) {
	cl, err := o.client()
	if err != nil {
		return "", err
	}
	defer cl.Close()
	for range 300 {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey, req.CoordinatorKeys = group, []string{group}
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return "", err
		}
		for _, c := range resp.Coordinators {
			if c.ErrorCode == 0 {
				return net.JoinHostPort(c.Host, fmt.Sprint(c.Port)), nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", errors.New("no coordinator")
}

// spread is the i-th of n loopback addresses of the same port: one address has
// too few ports for 100,000 connections. The server must listen on all of them.
func spread(addr string, i, n int) string {
	if n <= 1 {
		return addr
	}
	_, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf("127.0.%d.1:%s", i%n, port)
}
