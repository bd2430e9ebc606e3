package sources

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"gopkg.in/yaml.v3"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/collector/otlp"
	"github.com/watchfire/watchfire/collector/self"
	"github.com/watchfire/watchfire/telemetry"
)

// nowhere is where scraping appends to.
type nowhere struct{}

func (nowhere) AppenderV2(context.Context) storage.AppenderV2 { return nowhere{} }
func (nowhere) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AOptions) (storage.SeriesRef, error) {
	return 1, nil
}
func (nowhere) AppendExemplars(storage.SeriesRef, labels.Labels, []exemplar.Exemplar) (storage.SeriesRef, error) {
	return 1, nil
}
func (nowhere) Commit() error   { return nil }
func (nowhere) Rollback() error { return nil }

// Everything that is on by default shows within ten seconds.
func TestDefaults(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	sink := &collectortest.Sink{}
	sinks := collector.Sinks{Metrics: sink, Logs: sink, Spans: sink}
	reg, counts := prometheus.NewRegistry(), collector.NewMetrics(nil)
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "watchfire_test"}))
	logs := self.NewLogs(slog.DiscardHandler, slog.LevelInfo)
	s, err := New(t.Context(), Options{
		Config: c, Data: t.TempDir(), Sinks: func(string) collector.Sinks { return sinks }, Limits: collector.DefaultLimits(), Counts: counts,
		Appendable: func(func(context.Context) string) storage.AppendableV2 { return nowhere{} },
		OTLP:       otlp.New(otlp.Options{Config: otlp.DefaultConfig(), Identity: telemetry.DefaultIdentity(), Limits: collector.DefaultLimits(), Sinks: sinks, Counts: counts}),
		Registry:   reg, OwnLogs: logs, Version: "test", Logger: slog.New(logs),
	})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(logs).Info("hello")
	_, span := s.Traces.Provider().Tracer("test").Start(t.Context(), "work")
	span.End()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, p := range s.Parts {
		wg.Go(func() {
			if err := p.Run(ctx); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		})
	}
	ready := func() bool {
		names := sink.Names()
		return slices.Contains(names, "watchfire_test") && slices.Contains(names, "system_memory_usage_bytes") &&
			strings.Contains(strings.Join(sink.Lines(), " "), "hello") && len(sink.Spans()) > 0
	}
	for end := time.Now().Add(10 * time.Second); !ready() && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if !ready() {
		t.Errorf("after 10 s: %v, %d lines, %d spans", sink.Names(), len(sink.Lines()), len(sink.Spans()))
	}
	cancel()
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestConfigErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := DefaultConfig()
	if err := yaml.Unmarshal([]byte(`
host: {metrics: {names: x}}
files: [{name: a, include: [/x]}, {name: a, include: [/y]}, {name: host, include: [/z]}]
syslog: [{listen: x}]
traces: {zipkin: "0.0.0.0:1"}
scrape: {jobs: [{job_name: a, nonsense: 1}]}
self: {trace_ratio: 2, metrics_interval: 1ms}
`), &c); err != nil {
		t.Fatal(err)
	}
	err = c.Validate()
	for _, want := range []string{
		"host.metrics.names: \"x\"", `files[1].name: "a" is in use already`, `files[2].name: "host" is in use already`, "syslog[0].listen: \"x\"",
		"traces.zipkin: 0.0.0.0:1 can be reached by others", "scrape.jobs[0]: line 6: field nonsense not found", "self.trace_ratio: 2 is no share", "self.metrics_interval: 1ms",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
}
