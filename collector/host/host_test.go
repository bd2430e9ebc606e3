package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"gopkg.in/yaml.v3"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/collector/embed"
	"github.com/watchfire/watchfire/collector/otlp"
	"github.com/watchfire/watchfire/telemetry"
)

func options(t *testing.T, sink *collectortest.Sink, change func(*Config)) Options {
	t.Helper()
	c := DefaultConfig()
	change(&c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	log, counts, sinks := slog.New(slog.DiscardHandler), collector.NewMetrics(nil), collector.Sinks{Metrics: sink, Logs: sink}
	storage, err := embed.NewStorage(t.Context(), t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = storage.Close(context.Background()) })
	return Options{
		Config: c, Sinks: sinks, Limits: collector.DefaultLimits(), Counts: counts, Storage: storage, Positions: t.TempDir(), Logger: log,
		OTLP: otlp.New(otlp.Options{Config: otlp.DefaultConfig(), Identity: telemetry.DefaultIdentity(), Limits: collector.DefaultLimits(), Sinks: sinks, Counts: counts}),
	}
}

// run runs the watchers until done says so.
func run(t *testing.T, runners []Runner, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, r := range runners {
		wg.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for end := time.Now().Add(20 * time.Second); !done() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	if !done() {
		t.Error("not within 20 s")
	}
}

func TestOTelMetricsOfThisMachine(t *testing.T) {
	sink := &collectortest.Sink{}
	runners, err := New(t.Context(), options(t, sink, func(c *Config) { c.Logs.Source, c.Metrics.Interval = LogsNone, time.Second }))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"system_cpu_time_seconds_total", "system_cpu_utilization_ratio", "system_memory_usage_bytes", "system_memory_utilization_ratio",
		"system_cpu_load_average_1m", "system_filesystem_usage_bytes", "system_processes_count", "system_uptime_seconds",
	}
	run(t, runners, func() bool {
		names := sink.Names()
		return !slices.ContainsFunc(want, func(n string) bool { return !slices.Contains(names, n) })
	})
	host, _ := os.Hostname()
	for _, s := range sink.Metrics().Series {
		if s.Labels.Get("host_name") != host {
			t.Fatalf("series without its host: %s", s.Labels)
		}
	}
	if t.Failed() {
		t.Log(sink.Names())
	}
}

func TestNodeExporterMetricsOfThisMachine(t *testing.T) {
	sink := &collectortest.Sink{}
	runners, err := New(t.Context(), options(t, sink, func(c *Config) { c.Logs.Source, c.Metrics.Names = LogsNone, NamesNodeExporter }))
	if err != nil {
		t.Fatal(err)
	}
	run(t, runners, func() bool { return slices.Contains(sink.Names(), "node_cpu_seconds_total") })
	host, _ := os.Hostname()
	if up := sink.Series("__name__", "up", "job", "node", "instance", host); len(up.Samples) != 1 || up.Samples[0].V != 1 {
		t.Errorf("up: %+v", up)
	}
	if slices.ContainsFunc(sink.Names(), func(n string) bool { return strings.HasPrefix(n, "system_") }) {
		t.Error("both names at once")
	}
}

func TestFilesOfThisMachine(t *testing.T) {
	dir, sink := t.TempDir(), &collectortest.Sink{}
	path := filepath.Join(dir, "app.log")
	write(t, path, "old\n")
	runners, err := New(t.Context(), options(t, sink, func(c *Config) {
		c.Metrics.Names, c.Logs = NamesNone, LogsConfig{Source: LogsFiles, Include: []string{dir + "/*.log"}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	run(t, runners, func() bool {
		n++
		write(t, path, fmt.Sprintf("line %d\n", n))
		return len(sink.Lines()) > 3
	})
	if strings.Contains(strings.Join(sink.Lines(), " "), "old") {
		t.Error("what was there at the first start was read")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// A stand-in for journalctl: it prints two entries, or a third when asked for
// what comes after the second, and then follows in silence.
const fakeJournalctl = `#!/bin/sh
e() { printf '{"__CURSOR":"%s","__REALTIME_TIMESTAMP":"%s000000","MESSAGE":%s,"PRIORITY":"%s","_SYSTEMD_UNIT":"%s","_PID":"7"}\n' "$@"; }
case "$*" in
*--after-cursor=c2*) e c3 3 '"three"' 6 ssh.service ;;
*) e c1 1 '"one"' 3 ssh.service; echo '-- boot --'; e c2 2 '[116,255,111]' 4 cron.service ;;
esac
exec sleep 60
`

func TestJournal(t *testing.T) {
	command := filepath.Join(t.TempDir(), "journalctl")
	if err := os.WriteFile(command, []byte(fakeJournalctl), 0o755); err != nil {
		t.Fatal(err)
	}
	sink := &collectortest.Sink{}
	o := options(t, sink, func(*Config) {})
	j := newJournal(o, "h", command)
	j.wait = 10 * time.Millisecond
	flaky := &recovering{after: 2}
	j.sink = flaky
	stored := func(n int) func() bool {
		return func() bool { return len(flaky.Lines()) >= n && fileIs(j.cursorFile, fmt.Sprintf("c%d", n)) }
	}
	run(t, []Runner{j}, stored(2))
	run(t, []Runner{j}, stored(3)) // goes on where it was
	if got := strings.Join(flaky.Lines(), " "); got != "one t\uFFFDo three" {
		t.Errorf("lines %q", got)
	}
	st := flaky.Streams()
	if want := labels.FromStrings("host_name", "h", "service_name", "ssh", "source", "journal"); !labels.Equal(st[0].Labels, want) {
		t.Errorf("labels %s", st[0].Labels)
	}
	if r := st[0].Records[0]; r.Time != 1e9*1 || r.Severity != 17 || r.Metadata[0].Key != "pid" || r.Metadata[1].Key != "unit" {
		t.Errorf("record %+v", r)
	}
}

// recovering fails so many writes before it stores.
type recovering struct {
	collectortest.Sink

	after int
}

func (r *recovering) WriteLogs(ctx context.Context, tenant string, s []telemetry.LogStream) (telemetry.Outcome, error) {
	if r.after--; r.after >= 0 {
		return telemetry.Outcome{}, errors.New("not yet")
	}
	return r.Sink.WriteLogs(ctx, tenant, s)
}

func fileIs(path, want string) bool {
	b, err := os.ReadFile(path)
	return err == nil && string(b) == want
}

func TestConfigErrors(t *testing.T) {
	c := DefaultConfig()
	err := yaml.Unmarshal([]byte(`{tenant: "", metrics: {names: both, interval: 1ms}, logs: {source: syslog}}`), &c)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Validate()
	for _, want := range []string{"tenant: is empty", `metrics.names: "both" is unknown: use otel, node_exporter or none`, "metrics.interval: 1ms is too short", `logs.source: "syslog" is unknown`} {
		if got == nil || !strings.Contains(got.Error(), want) {
			t.Errorf("%v lacks %s", got, want)
		}
	}
	c = DefaultConfig()
	c.Metrics.Scrapers = map[string]any{"cpus": nil}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "metrics.scrapers: cannot read the settings of receiver host_metrics: '' invalid scraper key: cpus") {
		t.Error(err)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1000000","MESSAGE":["a","b"],"PRIORITY":"3"}`))
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":["1"],"MESSAGE":[1,2,null],"_COMM":{}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if e, err := parseEntry(line); err == nil && e.service == "" {
			t.Error("an entry of nobody")
		}
	})
}
