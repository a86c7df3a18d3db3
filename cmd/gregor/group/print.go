package group

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gregorbroker/gregor/groupcoord"
)

// Print writes reports as text, for people.
func Print(w io.Writer, reports []*Report, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(t)
		}
		r.print(t, now)
	}
	return t.Flush()
}

// PrintJSON writes one object a group and line.
func PrintJSON(w io.Writer, reports []*Report) error {
	enc := json.NewEncoder(w)
	for _, r := range reports {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) print(t io.Writer, now time.Time) {
	fmt.Fprintln(t, "GROUP\tTYPE\tSTATE\tEPOCH\tASSIGNOR\tCOORDINATOR\tMEMBERS\tLAG")
	fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", r.Group, r.Type, r.State, dash(int64(r.Epoch)), orDash(r.Assignor), r.Coordinator, len(r.Members), r.Lag)
	if len(r.Partitions) > 0 {
		fmt.Fprintln(t, "\nTOPIC\tPARTITION\tCOMMITTED\tEND\tLAG\tMEMBER")
	}
	for _, p := range r.Partitions {
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%s\t%s\n", p.Topic, p.Partition, dash(p.Committed), p.End, dash(p.Lag), orDash(p.Member))
	}
	if len(r.Members) > 0 {
		fmt.Fprintln(t, "\nMEMBER\tCLIENT\tHOST\tEPOCH\tPARTITIONS\tPENDING")
	}
	for _, m := range r.Members {
		name := m.ID
		if m.Instance != "" {
			name += " (" + m.Instance + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\n", name, orDash(m.Client), orDash(m.Host), dash(int64(m.Epoch)), m.Partitions, m.Pending)
	}
	if len(r.Rebalances) > 0 {
		fmt.Fprintln(t, "\nREBALANCE\tEPOCH\tTOOK\tWHY\tWAITS FOR")
	}
	for _, b := range r.Rebalances {
		fmt.Fprintf(t, "%s\t%d → %d\t%s\t%s\t%s\n", time.UnixMilli(b.Began).UTC().Format(time.RFC3339), b.From, b.To,
			took(b, now), b.Reason, orDash(strings.Join(b.WaitingFor, ", ")))
	}
}

// took is how long a rebalance lasted, or has lasted so far.
func took(b groupcoord.Rebalance, now time.Time) string {
	if b.Ended == 0 {
		return (time.Duration(now.UnixMilli()-b.Began) * time.Millisecond).String() + " so far"
	}
	return (time.Duration(b.Ended-b.Began) * time.Millisecond).String()
}

func dash(n int64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
