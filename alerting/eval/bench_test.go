package eval

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/telemetry"
)

type discard struct{}

func (discard) WriteMetrics(context.Context, string, telemetry.Metrics) (telemetry.Outcome, error) {
	return telemetry.Outcome{}, nil
}
func (discard) Notify(context.Context, string, []Notification) error { return nil }
func (discard) Append(context.Context, string, []Entry) error        { return nil }

// One iteration is one tick of 10,000 rules in 100 groups; firing is the share
// of rules, in percent, that fire.
func BenchmarkTick(b *testing.B) {
	for _, firing := range []int{0, 10, 100} {
		b.Run(fmt.Sprintf("firing=%d%%", firing), func(b *testing.B) { tick(b, firing) })
	}
}

func tick(b *testing.B, firing int) {
	var text strings.Builder
	text.WriteString("watchfire: 1\ngroups:\n")
	for i := range 100 {
		fmt.Fprintf(&text, "  - name: g%d\n    rules:\n", i)
		for j := range 100 {
			fmt.Fprintf(&text, "      - {alert: A%d, expr: m%d_%d, levels: {critical: {above: 95, clear: 90, for: 5m}, major: {above: 80}}, annotations: {summary: '{{ $labels.host }} at {{ $value }}'}}\n", j, i, j)
		}
	}
	n := 0
	answer := func(_ context.Context, _ string, _ rules.Language, expr string, at time.Time) (promql.Vector, error) {
		n++
		v := 10.0
		if n%100 < firing {
			v = 85
		}
		return promql.Vector{{Metric: host, F: v, T: at.UnixMilli()}}, nil
	}
	e := New(Options{Config: DefaultConfig(), Query: answer, Store: &MemoryStore{}, Sink: discard{}, Notifier: discard{}, History: discard{},
		Registerer: prometheus.NewRegistry()})
	var gs []*group
	for _, def := range groups(b, text.String()) {
		gs = append(gs, newGroup(e, "t", def))
	}
	slot := int64(1_700_000_000_000)
	evaluate := func() {
		slot += 15_000
		for _, g := range gs {
			if err := g.evaluate(context.Background(), slot, false); err != nil {
				b.Fatal(err)
			}
		}
	}
	evaluate()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		evaluate()
	}
}

var host = labels.FromStrings("__name__", "m", "host", "a", "region", "eu-1")
