package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/test/harness"
)

func TestCheckTellsEveryMistakeWithItsPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yml")
	if err := os.WriteFile(file, []byte("server:\n  htp: {}\nstorage:\n  retention: {logs: {default: soon}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := harness.TryRunBinary(t, "check", "--config", file)
	if err == nil {
		t.Error("check takes a bad file for good")
	}
	for _, want := range []string{`bad.yml:2:3: unknown key "htp" in server (did you mean "http"?)`, `bad.yml:4:31: storage.retention.logs.default: not a valid duration string: "soon"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

func TestOthersNeedAuthentication(t *testing.T) {
	out, err := harness.TryRunBinary(t, "serve", "--data", t.TempDir(), "--listen", "0.0.0.0:0", "--otlp-grpc", harness.FreeAddr(t), "--otlp-http", harness.FreeAddr(t))
	if err == nil || !strings.Contains(out, "server.http.listen") || !strings.Contains(out, "watchfire token create") {
		t.Errorf("listening everywhere without authentication: %v\n%s", err, out)
	}
	w := watchfire(t)
	const query = "/api/v1/query?query=up"
	for name, header := range map[string][]string{
		"behind a proxy": {"X-Forwarded-For", "192.0.2.1"},
		"forwarded":      {"Forwarded", "for=192.0.2.1"},
	} {
		if status, text := w.Do(http.MethodGet, query, "", nil, header...); status != http.StatusUnauthorized {
			t.Errorf("%s: status %d: %s", name, status, text)
		}
	}
	if status, text := w.Do(http.MethodPost, "/api/ops/v1/sql", "application/json", []byte(`{"query":"SELECT 1"}`), "Origin", "http://evil.example"); status != http.StatusForbidden {
		t.Errorf("a foreign page: status %d: %s", status, text)
	}
}

func TestTokens(t *testing.T) {
	w := watchfire(t)
	token, err := harness.TryRunBinary(t, "token", "create", "e2e", "--role", "ingest", "--tenant", "green", "--data", w.Data)
	if err != nil {
		t.Fatalf("token create: %v: %s", err, token)
	}
	auth := []string{"Authorization", "Bearer " + strings.TrimSpace(token), "X-Forwarded-For", "192.0.2.1"}
	body := []byte(`{"streams":[{"stream":{"job":"token"},"values":[]}]}`)
	if status, text := w.Do(http.MethodPost, "/loki/api/v1/push", "application/json", body, auth...); status/100 != 2 {
		t.Errorf("a push with the token: status %d: %s", status, text)
	}
	if status, text := w.Do(http.MethodGet, "/api/v1/query?query=up", "", nil, auth...); status != http.StatusForbidden {
		t.Errorf("a query with a token for pushes: status %d: %s", status, text)
	}
	if status, text := w.Do(http.MethodPost, "/loki/api/v1/push", "application/json", body, append(auth, "X-Scope-OrgID", "other")...); status != http.StatusForbidden {
		t.Errorf("another tenant: status %d: %s", status, text)
	}
}

func TestBackupAndRestore(t *testing.T) {
	w := harness.Start(t, harness.Options{})
	at := time.Now().UnixMilli()
	if status, text, err := w.PushMetric("backed_up", nil, harness.Point{T: at, V: 7}); err != nil || status/100 != 2 {
		t.Fatalf("push: status %d, error %v: %s", status, err, text)
	}
	if _, err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := harness.TryRunBinary(t, "backup", "monday", "--data", w.Data); err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	data := t.TempDir()
	target := filepath.Join(data, "engine", "backups")
	if err := os.MkdirAll(target, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"monday.tar", "monday.records"} {
		b, err := os.ReadFile(filepath.Join(w.Data, "engine", "backups", f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(target, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := harness.TryRunBinary(t, "restore", "monday", "--data", data); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	restored := harness.Start(t, harness.Options{Data: data})
	got, err := restored.RawSamples("backed_up", "", time.Hour, time.Now())
	if err != nil || len(got[""]) != 1 || got[""][0] != (harness.Point{T: at, V: 7}) {
		t.Errorf("restored %v, error %v", got, err)
	}
}

// TestPage opens the page in a browser and reads what it shows.
func TestPage(t *testing.T) {
	w := watchfire(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 40*time.Second, has(w, `system_cpu_load_average_1m`))
	for language, want := range map[string]string{"en": "What comes in", "zh": "数据接入"} {
		cmd := exec.Command(harness.Tool(t, "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
			"--user-data-dir="+t.TempDir(), "--virtual-time-budget=4000", "--dump-dom", w.HTTP+"/?language="+language)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("the browser: %v", err)
		}
		for _, s := range []string{want, host} {
			if !strings.Contains(string(out), s) {
				t.Errorf("the page in %s does not show %q", language, s)
			}
		}
	}
}
