package main

import (
	"testing"

	"github.com/gregorbroker/gregor/protocol/configs"
)

// What bounds one listener, by its own key, is not the others' bound; the cluster's
// configuration counts as the file's does.
func TestLimitsOfAListener(t *testing.T) {
	file, err := configs.Resolve(map[string]string{
		"process.roles": "broker", "node.id": "1", "controller.listener.names": "C",
		"max.connections": "100", "listener.name.external.max.connections": "7", "socket.send.buffer.bytes": "4096",
	})
	if err != nil {
		t.Fatal(err)
	}
	dynamic := file.Overlay(map[string]string{"max.connections.per.ip": "3", "listener.name.internal.max.connections": "9"})
	for _, c := range []struct {
		v        *configs.Values
		listener string
		all, ip  int
	}{{file, "PLAINTEXT", 100, 1<<31 - 1}, {file, "EXTERNAL", 7, 1<<31 - 1}, {dynamic, "EXTERNAL", 7, 3}, {dynamic, "INTERNAL", 9, 3}} {
		if l := limits(c.v, c.listener); l.MaxConnections != c.all || l.MaxPerIP != c.ip || l.SendBuffer != 4096 || l.ReceiveBuffer != 0 {
			t.Errorf("%s: %+v", c.listener, l)
		}
	}
}
