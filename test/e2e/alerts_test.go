package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/watchfire/watchfire/test/harness"
)

// webhook is a receiver that keeps what it is told.
type webhook struct {
	mu   sync.Mutex
	told []notification
}

type notification struct {
	Status string
	Alerts []struct {
		Status string
		Labels map[string]string
	}
}

func (h *webhook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var n notification
	_ = json.Unmarshal(body, &n)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, n)
}

// saw fails until an alert was told with the status and severity.
func (h *webhook) saw(name, status, severity string) func() error {
	return func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, n := range h.told {
			for _, a := range n.Alerts {
				if a.Labels["alertname"] == name && a.Status == status && a.Labels["severity"] == severity {
					return nil
				}
			}
		}
		return fmt.Errorf("the webhook was not told that %s is %s at %s: %+v", name, status, severity, h.told)
	}
}

// TestGradedRuleReachesAWebhook moves one alert through its levels.
func TestGradedRuleReachesAWebhook(t *testing.T) {
	hook := &webhook{}
	receiver := httptest.NewServer(hook)
	defer receiver.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	rules := write("rules.yml", `
watchfire: 1
groups:
  - name: queue
    interval: 1s
    rules:
      - alert: QueueLong
        expr: max by (queue) (e2e_queue_length)
        levels:
          critical: {above: 100}
          warning: {above: 10}
        annotations:
          summary: "{{ $labels.queue }} has {{ $value }} jobs"
`)
	manager := write("alertmanager.yml", fmt.Sprintf(`
route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers:
  - name: hook
    webhook_configs: [{url: %q, send_resolved: true}]
`, receiver.URL))
	config := fmt.Sprintf("alerting:\n  rule_files: [%q]\n  notify: {config_file: %q}\n", rules, manager)
	checked := write("watchfire.yml", config)
	if out, err := harness.TryRunBinary(t, "check", "--config", checked); err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	w := harness.Start(t, harness.Options{Config: config})
	set := func(v float64) {
		t.Helper()
		status, text, err := w.PushMetric("e2e_queue_length", map[string]string{"queue": "mail"}, harness.Point{T: time.Now().UnixMilli(), V: v})
		if err != nil || status/100 != 2 {
			t.Fatalf("push: status %d, error %v: %s", status, err, text)
		}
	}
	set(50)
	harness.Eventually(t, 60*time.Second, hook.saw("QueueLong", "firing", "warning"))
	set(500)
	harness.Eventually(t, 60*time.Second, hook.saw("QueueLong", "firing", "critical"))
	if out := harness.Run(t, "amtool", "--alertmanager.url", w.HTTP+"/alertmanager", "alert", "query", "queue=mail"); out == "" {
		t.Error("amtool shows no alert")
	}
	harness.Run(t, "amtool", "--alertmanager.url", w.HTTP+"/alertmanager", "silence", "add", "--author", "e2e", "--comment", "test", "queue=other")
	set(1)
	harness.Eventually(t, 60*time.Second, func() error {
		if err := hook.saw("QueueLong", "resolved", "critical")(); err != nil {
			return hook.saw("QueueLong", "resolved", "warning")()
		}
		return nil
	})
}
