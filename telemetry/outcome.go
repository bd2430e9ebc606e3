package telemetry

import (
	"fmt"
	"strings"
)

// Outcome tells a sender what became of a push: what was accepted is stored,
// what was rejected will never be accepted and must not be sent again.
type Outcome struct {
	Accepted int
	Rejected []Rejection
}

// Rejection counts the records of a push that were refused for one reason.
type Rejection struct {
	Reason string // a short machine-readable name: out_of_bounds, label_too_long, ...
	Count  int
	Detail string // the first case, naming the value, the limit and the option that sets it
}

// Reject adds n refused records for reason; the first detail is kept.
func (o *Outcome) Reject(reason, detail string, n int) {
	for i := range o.Rejected {
		if o.Rejected[i].Reason == reason {
			o.Rejected[i].Count += n
			return
		}
	}
	o.Rejected = append(o.Rejected, Rejection{Reason: reason, Count: n, Detail: detail})
}

// RejectedCount is the number of records refused for any reason.
func (o Outcome) RejectedCount() (n int) {
	for _, r := range o.Rejected {
		n += r.Count
	}
	return n
}

// Message says what was refused and why, empty when nothing was.
func (o Outcome) Message() string {
	var b strings.Builder
	for i, r := range o.Rejected {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%d rejected (%s): %s", r.Count, r.Reason, r.Detail)
	}
	return b.String()
}
