package otlp

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/telemetry"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func newReceiver(sink *collectortest.Sink, change ...func(*Options)) *Receiver {
	o := Options{
		Config: DefaultConfig(), Identity: telemetry.DefaultIdentity(), Limits: collector.DefaultLimits(),
		Sinks:  collector.Sinks{Metrics: sink, Logs: sink, Spans: sink},
		Counts: collector.NewMetrics(nil), Now: func() time.Time { return time.Unix(100, 0) },
	}
	for _, f := range change {
		f(&o)
	}
	return New(o)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (go test -update rewrites it):\n%s", path, diff)
	}
}

func input(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMetricsGolden(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"metrics.golden":        func(*Options) {},
		"metrics_native.golden": func(o *Options) { o.Config.NativeHistograms, o.Config.PromoteScope = true, true },
	} {
		sink := &collectortest.Sink{}
		resp, err := newReceiver(sink, change).receive(t.Context(), metricsSignal, input(t, "metrics.json"), true)
		if err != nil || resp.rejected != 0 || resp.message != "" {
			t.Fatal(resp, err)
		}
		golden(t, name, collectortest.Text(sink.Metrics()))
	}
}

func TestLogsGolden(t *testing.T) {
	sink := &collectortest.Sink{}
	resp, err := newReceiver(sink).receive(t.Context(), logsSignal, input(t, "logs.json"), true)
	if err != nil || resp.rejected != 0 {
		t.Fatal(resp, err)
	}
	var b strings.Builder
	for _, s := range sink.Streams() {
		fmt.Fprintln(&b, s.Labels)
		for _, r := range s.Records {
			fmt.Fprintf(&b, "  %d observed=%d severity=%d trace=%x span=%x %q\n", r.Time, r.Observed, r.Severity, r.TraceID, r.SpanID, r.Line)
			for _, m := range r.Metadata {
				fmt.Fprintf(&b, "    %s=%s (%d)\n", m.Key, m.Value, m.Value.Kind())
			}
		}
	}
	golden(t, "logs.golden", b.String())
}
