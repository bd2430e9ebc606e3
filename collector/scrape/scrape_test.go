package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	_ "github.com/prometheus/prometheus/discovery/file"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"gopkg.in/yaml.v3"
)

// memory keeps what is committed, as "tenant labels".
type memory struct {
	tenant func(context.Context) string
	mu     sync.Mutex
	values map[string]float64
}

func (m *memory) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &tx{m: m, tenant: m.tenant(ctx), values: map[string]float64{}}
}

type tx struct {
	m      *memory
	tenant string
	values map[string]float64
}

func (t *tx) Append(_ storage.SeriesRef, ls labels.Labels, _, _ int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AOptions) (storage.SeriesRef, error) {
	t.values[t.tenant+" "+ls.String()] = v
	return 1, nil
}

func (t *tx) AppendExemplars(storage.SeriesRef, labels.Labels, []exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, nil
}

func (t *tx) Commit() error {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	for k, v := range t.values {
		t.m.values[k] = v
	}
	return nil
}

func (t *tx) Rollback() error { return nil }

func (m *memory) has(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.values[key]
	return ok
}

func parse(t *testing.T, text string) (c Config) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func eventually(t *testing.T, m *memory, key string) {
	t.Helper()
	for range 3000 {
		if m.has(key) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not within 30 s: %s in %v", key, m.values)
}

func TestScrapeWithTenantsDiscoveryAndReload(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "# TYPE x counter\nx{l=\"v\"} 7\n")
	}))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	dir := t.TempDir()
	targets := filepath.Join(dir, "targets.json")
	write(t, targets, fmt.Sprintf(`[{"targets":[%q],"labels":{"from":"file"}}]`, addr))
	promYAML := filepath.Join(dir, "prometheus.yml")
	write(t, promYAML, "global: {scrape_interval: 100ms, scrape_timeout: 100ms}\nscrape_configs:\n- job_name: whole\n  static_configs: [{targets: ["+addr+"]}]\n")

	var stored atomic.Int64
	mem := &memory{values: map[string]float64{}}
	m, err := New(Options{
		Config: parse(t, fmt.Sprintf(`
global: {scrape_interval: 100ms, scrape_timeout: 100ms}
jobs:
- job_name: static
  tenant: blue
  static_configs: [{targets: [%s]}]
  relabel_configs: [{target_label: job, replacement: renamed}] # the tenant is the job's, whatever its label says
- job_name: discovered
  file_sd_configs: [{files: [%s], refresh_interval: 1s}]
files: [{path: %s, tenant: red}]
`, addr, targets, promYAML)),
		Appendable: func(tenant func(context.Context) string) storage.AppendableV2 { mem.tenant = tenant; return mem },
		Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Settle: 50 * time.Millisecond,
		Stored: func(tenant string, n int) {
			if tenant == "blue" {
				stored.Add(int64(n))
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	series := func(tenant, ls string) string {
		return fmt.Sprintf(`%s {__name__="x", %sinstance="%s", job=%s, l="v"}`, tenant, "", addr, ls)
	}
	eventually(t, mem, series("blue", `"renamed"`))
	eventually(t, mem, series("red", `"whole"`))
	eventually(t, mem, fmt.Sprintf(`default {__name__="x", from="file", instance="%s", job="discovered", l="v"}`, addr))
	if stored.Load() == 0 {
		t.Error("nothing is told as stored")
	}
	if n := len(m.TargetsActive()); n != 3 {
		t.Errorf("%d pools of targets, want 3", n)
	}

	write(t, promYAML, "global: {scrape_interval: 100ms, scrape_timeout: 100ms}\nscrape_configs:\n- job_name: again\n  static_configs: [{targets: ["+addr+"]}]\n")
	if err := m.Reload(); err != nil {
		t.Fatal(err)
	}
	eventually(t, mem, series("red", `"again"`))
	write(t, promYAML, "scrape_configs: 7\n")
	if err := m.Reload(); err == nil || !strings.Contains(err.Error(), promYAML) {
		t.Errorf("reload of a bad file: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Everything that is wrong is told at once, each with its line.
func TestConfigErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yml")
	write(t, bad, "global: {}\nscrape_configs:\n- job_name: a\n  scrape_intervall: 1s\n")
	c := parse(t, `
jobs:
- job_name: a
  static_configs: [{targets: [h:1]}]
- job_name: a
- job_name: b
  metrics_paths: /m
- scrape_interval: 1s
- job_name: c
  scrape_interval: soon
files: [{path: `+bad+`}, {path: /does/not/exist}]
`)
	err := c.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`jobs[1]: line 5: job_name "a" is in use already at jobs[0]: line 3`,
		`jobs[2]: line 6: field metrics_paths not found in type config.ScrapeConfig`,
		`jobs[3]: line 8: job_name is empty`,
		`jobs[4]: line 9: not a valid duration string: "soon"`,
		"files: parsing YAML file " + bad + ": yaml: unmarshal errors:\n  line 4: field scrape_intervall not found",
		"files: open /does/not/exist: no such file or directory",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	var j Config
	if err := yaml.Unmarshal([]byte("jobs: [x]"), &j); err == nil || !strings.Contains(err.Error(), "line 1: a job is a mapping") {
		t.Error(err)
	}
}

func TestConfigIsWrittenAsRead(t *testing.T) {
	text := "jobs:\n    - job_name: a\n      tenant: blue\n"
	out, err := yaml.Marshal(map[string]any{"jobs": parse(t, text).Jobs})
	if err != nil || string(out) != text {
		t.Errorf("%v\n%s", err, out)
	}
}
