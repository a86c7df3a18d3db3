package group

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Listed is one group in a list, as `-o json` prints it.
type Listed struct {
	Group    string `json:"group"`
	Type     string `json:"type"` // classic, consumer, share or streams; empty from a broker before 3.8
	Protocol string `json:"protocol"`
	State    string `json:"state"`
}

// List asks every broker for the groups that it coordinates.
func List(ctx context.Context, cl *kgo.Client) ([]Listed, error) {
	resp, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	var out []Listed
	for _, g := range resp.Groups {
		out = append(out, Listed{g.Group, g.GroupType, g.ProtocolType, g.GroupState})
	}
	slices.SortFunc(out, func(a, b Listed) int { return cmp.Compare(a.Group, b.Group) })
	return out, nil
}

// PrintList writes a table, for people.
func PrintList(w io.Writer, list []Listed) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "GROUP\tTYPE\tPROTOCOL\tSTATE")
	for _, g := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", g.Group, orDash(g.Type), orDash(g.Protocol), orDash(g.State))
	}
	return t.Flush()
}

// PrintListJSON writes one object a group and line.
func PrintListJSON(w io.Writer, list []Listed) error {
	enc := json.NewEncoder(w)
	for i := range list {
		if err := enc.Encode(&list[i]); err != nil {
			return err
		}
	}
	return nil
}
