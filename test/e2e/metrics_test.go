package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/watchfire/watchfire/test/harness"
)

// vector runs an instant query and returns its values by the label's value.
func vector(w *harness.Watchfire, query, label string) (map[string]string, error) {
	status, text, err := w.TryDo(http.MethodPost, "/api/v1/query", "application/x-www-form-urlencoded", []byte("query="+harness.Escape(query)))
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", status, text)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, r := range answer.Data.Result {
		out[r.Metric[label]], _ = r.Value[1].(string)
	}
	return out, nil
}

// has fails until the query answers anything.
func has(w *harness.Watchfire, query string) func() error {
	return func() error {
		got, err := vector(w, query, "")
		if err == nil && len(got) == 0 {
			err = fmt.Errorf("%s: no answer yet", query)
		}
		return err
	}
}

func TestThisMachineIsWatched(t *testing.T) {
	w := watchfire(t)
	// Ten seconds from being ready; the machines that run the tests are busy.
	harness.Eventually(t, 40*time.Second, has(w, `system_memory_usage_bytes{host_name=~".+"}`))
	harness.Eventually(t, 40*time.Second, has(w, `watchfire_server_requests_total`))
	harness.Eventually(t, 40*time.Second, func() error {
		if out := w.Get("/loki/api/v1/query_range?query=" + harness.Escape(`{service_name="watchfire"}`)); !strings.Contains(out, "Watchfire is ready") {
			return fmt.Errorf("its own log is not there yet")
		}
		return nil
	})
	harness.Eventually(t, 40*time.Second, func() error {
		if out := w.Get("/tempo/api/search?limit=5&q=" + harness.Escape(`{resource.service.name="watchfire"}`)); !strings.Contains(out, "traceID") {
			return fmt.Errorf("its own traces are not there yet: %s", out)
		}
		return nil
	})
}

func TestPromtool(t *testing.T) {
	w := watchfire(t)
	file := filepath.Join(t.TempDir(), "metrics.prom")
	if err := os.WriteFile(file, []byte("# TYPE promtool_pushed gauge\npromtool_pushed{shop=\"north\"} 42\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Run(t, "promtool", "push", "metrics", w.HTTP, file)
	if out := harness.Run(t, "promtool", "query", "instant", w.HTTP, "promtool_pushed * 2"); !strings.Contains(out, "=> 84 @") {
		t.Errorf("query instant: %s", out)
	}
	if out := harness.Run(t, "promtool", "query", "series", "--match", "promtool_pushed", w.HTTP); !strings.Contains(out, `shop="north"`) {
		t.Errorf("query series: %s", out)
	}
	if out := harness.Run(t, "promtool", "query", "labels", w.HTTP, "shop"); !strings.Contains(out, "north") {
		t.Errorf("query labels: %s", out)
	}
	if out, err := harness.TryRun(t, "promtool", "query", "instant", w.HTTP, "sum("); err == nil || !strings.Contains(out, "parse error") {
		t.Errorf("a bad query: %v: %s", err, out)
	}
}

func TestPrometheusRemoteWrites(t *testing.T) {
	w := watchfire(t)
	dir, addr := t.TempDir(), harness.FreeAddr(t)
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, external_labels: {sender: debian}}
scrape_configs:
  - job_name: prometheus
    static_configs: [{targets: [%q]}]
remote_write:
  - url: %s/api/v1/write
    queue_config: {batch_send_deadline: 1s}
`, addr, w.HTTP)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(harness.Tool(t, "prometheus"), "--config.file", file, "--web.listen-address", addr, "--storage.tsdb.path", filepath.Join(dir, "data"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	harness.Eventually(t, 60*time.Second, has(w, `rate(prometheus_tsdb_head_samples_appended_total{sender="debian"}[1m]) > 0`))
	harness.Eventually(t, 20*time.Second, has(w, `up{job="prometheus",sender="debian"} == 1`))
}

func TestTenantsAreApart(t *testing.T) {
	w := watchfire(t)
	body := []byte(`{"streams":[{"stream":{"job":"apart"},"values":[["` + fmt.Sprint(time.Now().UnixNano()) + `","secret"]]}]}`)
	if status, text := w.Do(http.MethodPost, "/loki/api/v1/push", "application/json", body, "X-Scope-OrgID", "blue"); status != http.StatusNoContent {
		t.Fatalf("push: status %d: %s", status, text)
	}
	query := "/loki/api/v1/query_range?query=" + harness.Escape(`{job="apart"}`)
	if _, text := w.Do(http.MethodGet, query, "", nil, "X-Scope-OrgID", "blue"); !strings.Contains(text, "secret") {
		t.Errorf("the tenant does not see its line: %s", text)
	}
	for _, other := range []string{"", "red"} {
		header := []string{}
		if other != "" {
			header = []string{"X-Scope-OrgID", other}
		}
		if _, text := w.Do(http.MethodGet, query, "", nil, header...); strings.Contains(text, "secret") {
			t.Errorf("tenant %q sees another's line: %s", other, text)
		}
	}
}

// TestGrafanaHealthChecks asks what Grafana's data sources ask before they
// say that they work.
func TestGrafanaHealthChecks(t *testing.T) {
	w := watchfire(t)
	for path, want := range map[string]string{
		"/api/v1/status/buildinfo":                       `"version"`,
		"/api/v1/query?query=1%2B1":                      `"2"`,
		"/loki/api/v1/status/buildinfo":                  `"version"`,
		"/loki/api/v1/query?query=vector(1)%2Bvector(1)": `"2"`,
		"/tempo/api/echo":                                "echo",
		"/jaeger/api/services":                           `"data"`,
		"/alertmanager/api/v2/status":                    `"versionInfo"`,
		"/api/v1/rules":                                  `"groups"`,
		"/api/v1/metadata":                               `"success"`,
	} {
		if got := w.Get(path); !strings.Contains(got, want) {
			t.Errorf("GET %s: no %s in %.300s", path, want, got)
		}
	}
}
