package files

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/collector/embed"
	"github.com/watchfire/watchfire/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start tails until the returned function is called.
func start(t *testing.T, positions, config string, sink collector.LogSink) (stop func()) {
	t.Helper()
	var c Config
	if err := yaml.Unmarshal([]byte(config), &c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	storage, err := embed.NewStorage(t.Context(), positions, log)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(t.Context(), Options{Config: c, Host: "h", Sink: sink, Limits: collector.DefaultLimits(), Counts: collector.NewMetrics(nil), Storage: storage, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := errors.Join(<-done, storage.Close(context.Background())); err != nil {
			t.Error(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not within 10 s: " + what)
}

func appendTo(t *testing.T, path, text string) {
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

// Every line comes once, over a rotation and a restart.
func TestRotationAndRestart(t *testing.T) {
	dir, positions, sink := t.TempDir(), t.TempDir(), &collectortest.Sink{}
	path := filepath.Join(dir, "shop.log")
	config := fmt.Sprintf("{name: shop, tenant: blue, include: [%s/*.log], start_at: beginning, poll_interval: 20ms, labels: {env: prod}}", dir)
	var want []string
	lines := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			want = append(want, fmt.Sprintf("line %04d with enough text to tell one file from another", i))
			fmt.Fprintln(&b, want[len(want)-1])
		}
		return b.String()
	}
	got := func() bool { return len(sink.Lines()) >= len(want) }

	appendTo(t, path, lines(0, 250))
	stop := start(t, positions, config, sink)
	eventually(t, "first lines", got)
	appendTo(t, path, lines(250, 260))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, lines(260, 300))
	eventually(t, "lines after rotation", got)
	stop()
	appendTo(t, path, lines(300, 310)) // while nobody looks
	stop = start(t, positions, config, sink)
	eventually(t, "lines after restart", got)
	appendTo(t, path, lines(310, 320))
	eventually(t, "more lines", got)
	stop()

	all := sink.Lines()
	slices.Sort(all)
	if !slices.Equal(all, want) {
		t.Errorf("%d lines, want %d", len(all), len(want))
	}
	if want := labels.FromStrings("env", "prod", "filename", path, "host_name", "h", "service_name", "shop"); !labels.Equal(sink.Streams()[0].Labels, want) {
		t.Errorf("labels %s", sink.Streams()[0].Labels)
	}
	if got := sink.Tenants()[0]; got != "blue" {
		t.Errorf("tenant %s", got)
	}
}

// failing refuses so many writes.
type failing struct {
	collectortest.Sink
	left int
}

func (f *failing) WriteLogs(ctx context.Context, tenant string, s []telemetry.LogStream) (telemetry.Outcome, error) {
	if f.left--; f.left >= 0 {
		return telemetry.Outcome{}, errors.New("down")
	}
	return f.Sink.WriteLogs(ctx, tenant, s)
}

// A line that could not be stored is read again, also by the next process.
func TestNothingIsLostWhileTheSinkIsDown(t *testing.T) {
	dir, positions := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "a.log")
	config := fmt.Sprintf("{name: a, include: [%s/*.log], start_at: beginning, poll_interval: 20ms, operators: [{type: json_parser, timestamp: {parse_from: attributes.ts, layout_type: epoch, layout: s}, severity: {parse_from: attributes.level}}]}", dir)
	appendTo(t, path, `{"ts": 100, "level": "error", "msg": "x"}`+"\n")
	down := &failing{left: 1 << 30}
	stop := start(t, positions, config, down)
	time.Sleep(300 * time.Millisecond)
	stop()
	if n := len(down.Lines()); n != 0 {
		t.Fatalf("%d lines stored by a sink that is down", n)
	}
	up := &failing{left: 1}
	stop = start(t, positions, config, up)
	eventually(t, "the line", func() bool { return len(up.Lines()) == 1 })
	stop()
	r := up.Streams()[0].Records[0]
	if r.Time != 100e9 || r.Severity != 17 || r.Line != `{"ts": 100, "level": "error", "msg": "x"}` {
		t.Errorf("%+v", r)
	}
}

func TestInvalidUTF8AndLongLines(t *testing.T) {
	dir, sink := t.TempDir(), &collectortest.Sink{}
	appendTo(t, filepath.Join(dir, "a.log"), "caf\xe9\n"+strings.Repeat("x", 300<<10)+"\n")
	stop := start(t, t.TempDir(), fmt.Sprintf("{name: a, include: [%s/*.log], start_at: beginning, poll_interval: 20ms}", dir), sink)
	eventually(t, "three lines", func() bool { return len(sink.Lines()) == 3 })
	stop()
	l := sink.Lines()
	if l[0] != "caf\uFFFD" || len(l[1]) != 256<<10 || len(l[2]) != 44<<10 {
		t.Errorf("%q, %d, %d", l[0], len(l[1]), len(l[2]))
	}
}

func TestServiceOf(t *testing.T) {
	for path, want := range map[string]string{
		"/var/log/syslog": "syslog", "/var/log/nginx/access.log": "nginx", "/var/log/dpkg.log": "dpkg",
		"/srv/app/shop.log.1": "shop", "/srv/.hidden": ".hidden",
	} {
		if got := serviceOf(path); got != want {
			t.Errorf("serviceOf(%s) = %s, want %s", path, got, want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for config, want := range map[string]string{
		"{include: [a]}":                            "name: is empty",
		"{name: a}":                                 "include",
		"{name: a, include: [a], includ: [b]}":      "includ",
		"{name: a, include: [a], start_at: middle}": "start_at",
	} {
		var c Config
		if err := yaml.Unmarshal([]byte(config), &c); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
}
