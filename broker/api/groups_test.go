package api

import (
	"net"
	"testing"
)

// As Kafka shows members of such addresses.
func TestHostsAreWrittenAsJavaDoes(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:9092":      "/127.0.0.1",
		"[::1]:9092":          "/0:0:0:0:0:0:0:1",
		"[2001:db8::a:0:1]:1": "/2001:db8:0:0:0:a:0:1",
		"[::ffff:10.1.2.3]:1": "/10.1.2.3",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := javaHost(tcp); got != want {
			t.Errorf("%s is %s, want %s", addr, got, want)
		}
	}
}
