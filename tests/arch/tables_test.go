package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strings"
	"testing"

	"github.com/gregorbroker/gregor/protocol/apikey"
)

// Every key that brokers answer has its numbered file in broker/api, so that a
// stranger finds its handler by the name of the folder.
func TestEveryBrokerKeyHasItsFile(t *testing.T) {
	files := map[int][]string{}
	for _, s := range load(t) {
		name := path.Base(s.path)
		var key int
		if s.room == "broker/api" && !s.test {
			if n, _ := fmt.Sscanf(name, "%d_", &key); n == 1 {
				files[key] = append(files[key], name)
			}
		}
	}
	for _, e := range apikey.All() {
		want := fmt.Sprintf("%02d_%s.go", e.Key, snake(e.Name))
		got := files[int(e.Key)]
		switch {
		case e.Served(apikey.Broker) && (len(got) != 1 || got[0] != want):
			t.Errorf("broker/api: %s is served, its file is %s, but there is %v", e.Name, want, got)
		case !e.Served(apikey.Broker) && len(got) > 0:
			t.Errorf("broker/api: %v stands there, but apikey does not serve %s", got, e.Name)
		}
	}
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// Rooms whose errors reach clients; each of their sentinels has a line in the
// one table of error codes.
var answered = []string{"broker/replica", "broker/fetchsession", "storage/partlog", "storage/producers"}

// unanswered are sentinels that no request can meet, and why.
var unanswered = map[string]string{
	"partlog.ErrOutOfOrder": "of a follower's append, which no client makes",
	"partlog.ErrMetadata":   "found while a log is opened: the partition is offline then",
	"partlog.ErrChanged":    "the cleaner's, which no client calls",
	"producers.ErrSnapshot": "found while a log is opened: the state is rebuilt from the log then",
}

func TestEverySentinelHasAKafkaCode(t *testing.T) {
	used := map[string]bool{}
	var sentinels []string
	for _, s := range load(t) {
		if s.path == "broker/api/errcode.go" {
			ast.Inspect(s.file, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok {
						used[x.Name+"."+sel.Sel.Name] = true
					}
				}
				return true
			})
		}
		for _, room := range answered {
			if s.room == room && !s.test {
				sentinels = append(sentinels, sentinelsOf(s)...)
			}
		}
	}
	if len(sentinels) == 0 || len(used) == 0 {
		t.Fatalf("found %d sentinels and %d uses: the check is empty", len(sentinels), len(used))
	}
	for _, name := range sentinels {
		if !used[name] && unanswered[name] == "" {
			t.Errorf("%s has no line in broker/api/errcode.go: clients would get UNKNOWN_SERVER_ERROR", name)
		}
	}
}

func sentinelsOf(s source) []string {
	var out []string
	for _, d := range s.file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			for _, n := range spec.(*ast.ValueSpec).Names {
				if strings.HasPrefix(n.Name, "Err") {
					out = append(out, path.Base(s.room)+"."+n.Name)
				}
			}
		}
	}
	return out
}
