package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// webhook is a receiver that remembers.
type webhook struct {
	*httptest.Server
	mu   sync.Mutex
	seen []message
}

type message struct {
	Status string
	Alerts []struct {
		Status      string
		Labels      map[string]string
		Annotations map[string]string
	}
}

func newWebhook(t *testing.T) *webhook {
	w := &webhook{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen = append(w.seen, m)
	}))
	t.Cleanup(w.Close)
	return w
}

// texts are the alerts of each message as "name severity status".
func (w *webhook) texts() (ss []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.seen {
		var as []string
		for _, a := range m.Alerts {
			as = append(as, fmt.Sprintf("%s %s %s", a.Labels["alertname"], a.Labels["severity"], a.Status))
		}
		ss = append(ss, strings.Join(as, ", "))
	}
	return ss
}

func (w *webhook) wait(t *testing.T, want ...string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(w.texts()) >= len(want) }, 10*time.Second, 10*time.Millisecond, "%v", w.texts())
	require.Equal(t, want, w.texts())
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "alertmanager.yml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

const quick = "  group_wait: 50ms\n  group_interval: 100ms\n  repeat_interval: 1h\n"

func webhookConfig(w *webhook) string {
	return "route:\n  receiver: hook\n  group_by: [alertname]\n" + quick +
		"receivers:\n  - name: hook\n    webhook_configs: [{url: '" + w.URL + "', send_resolved: true}]\n" +
		"inhibit_rules:\n  - source_matchers: [alertname=ClusterDown]\n    target_matchers: [severity=minor]\n    equal: [cluster]\n"
}

func manager(t *testing.T, dir string, file string) (m *Manager, stop func()) {
	t.Helper()
	c := DefaultConfig()
	c.ConfigFile = file
	m, err := New(Options{Config: c, Snapshots: Dir(dir), Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	return m, func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func firing(name, severity string, more ...string) *alert.Alert {
	ls := model.LabelSet{"alertname": model.LabelValue(name), "severity": model.LabelValue(severity)}
	for i := 0; i+1 < len(more); i += 2 {
		ls[model.LabelName(more[i])] = model.LabelValue(more[i+1])
	}
	now := time.Now()
	return &alert.Alert{UpdatedAt: now, Alert: model.Alert{Labels: ls, Annotations: model.LabelSet{}, StartsAt: now, EndsAt: now.Add(time.Hour)}}
}

func resolved(a *alert.Alert) *alert.Alert {
	c := *a
	c.Annotations = a.Annotations.Clone()
	c.UpdatedAt, c.EndsAt = time.Now(), time.Now()
	return &c
}

func TestWebhookFiringThenResolved(t *testing.T) {
	w := newWebhook(t)
	m, stop := manager(t, t.TempDir(), configFile(t, webhookConfig(w)))
	defer stop()
	a := firing("Disk", "major")
	require.NoError(t, m.Put(t.Context(), "t", a))
	w.wait(t, "Disk major firing")
	require.NoError(t, m.Put(t.Context(), "t", resolved(a)))
	w.wait(t, "Disk major firing", "Disk major resolved")
}

// A move between levels is one message with one alert.
func TestMovedAlertIsOne(t *testing.T) {
	w := newWebhook(t)
	m, stop := manager(t, t.TempDir(), configFile(t, webhookConfig(w)))
	defer stop()
	major := firing("Disk", "major")
	require.NoError(t, m.Put(t.Context(), "t", major))
	w.wait(t, "Disk major firing")
	end := resolved(major)
	end.Annotations[movedToAnnotation] = "critical"
	critical := firing("Disk", "critical")
	require.NoError(t, m.Put(t.Context(), "t", critical, end))
	w.wait(t, "Disk major firing", "Disk critical firing")
	require.NoError(t, m.Put(t.Context(), "t", resolved(critical)))
	w.wait(t, "Disk major firing", "Disk critical firing", "Disk critical resolved")
}

func TestDropMoved(t *testing.T) {
	end := resolved(firing("Disk", "major"))
	end.Annotations[movedToAnnotation] = "critical"
	critical, other := firing("Disk", "critical"), firing("Disk", "critical", "host", "b")
	require.Equal(t, []*alert.Alert{critical}, dropMoved([]*alert.Alert{end, critical}))
	require.Equal(t, []*alert.Alert{end, other}, dropMoved([]*alert.Alert{end, other}), "another alert's level is no successor")
	require.Equal(t, []*alert.Alert{end}, dropMoved([]*alert.Alert{end}), "a receiver that gets only the end gets it")
}

func TestInhibition(t *testing.T) {
	w := newWebhook(t)
	m, stop := manager(t, t.TempDir(), configFile(t, webhookConfig(w)))
	defer stop()
	require.NoError(t, m.Put(t.Context(), "t", firing("ClusterDown", "critical", "cluster", "a")))
	w.wait(t, "ClusterDown critical firing")
	require.NoError(t, m.Put(t.Context(), "t", firing("Slow", "minor", "cluster", "a"), firing("Other", "minor", "cluster", "b")))
	w.wait(t, "ClusterDown critical firing", "Other minor firing")
}

func TestTenantsAreApart(t *testing.T) {
	w := newWebhook(t)
	m, stop := manager(t, t.TempDir(), configFile(t, webhookConfig(w)))
	defer stop()
	require.NoError(t, m.Put(t.Context(), "a", firing("Disk", "major")))
	w.wait(t, "Disk major firing")
	require.Len(t, get[[]any](t, m, "a", "/api/v2/alerts"), 1)
	require.Empty(t, get[[]any](t, m, "b", "/api/v2/alerts"))
}

func call(t *testing.T, m *Manager, tenant, method, path string, body any) *httptest.ResponseRecorder {
	t.Helper()
	h, err := m.Handler(t.Context(), tenant)
	require.NoError(t, err)
	b, err := json.Marshal(body)
	require.NoError(t, err)
	r := httptest.NewRequest(method, path, bytes.NewReader(b))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func get[T any](t *testing.T, m *Manager, tenant, path string) (v T) {
	t.Helper()
	rec := call(t, m, tenant, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &v))
	return v
}

func silenceBody(name string) map[string]any {
	return map[string]any{
		"matchers": []any{map[string]any{"name": "alertname", "value": name, "isRegex": false, "isEqual": true}},
		"startsAt": time.Now().Format(time.RFC3339), "endsAt": time.Now().Add(time.Hour).Format(time.RFC3339),
		"createdBy": "test", "comment": "maintenance",
	}
}

func TestAPI(t *testing.T) {
	w := newWebhook(t)
	m, stop := manager(t, t.TempDir(), configFile(t, webhookConfig(w)))
	defer stop()
	rec := call(t, m, "t", http.MethodPost, "/api/v2/silences", silenceBody("Quiet"))
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	rec = call(t, m, "t", http.MethodPost, "/api/v2/alerts", []any{
		map[string]any{"labels": map[string]string{"alertname": "Outside", "severity": "minor"}},
		map[string]any{"labels": map[string]string{"alertname": "Quiet", "severity": "minor"}},
	})
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	w.wait(t, "Outside minor firing")
	time.Sleep(200 * time.Millisecond)
	w.wait(t, "Outside minor firing")
	require.Len(t, get[[]any](t, m, "t", "/api/v2/alerts"), 2)
	require.Len(t, get[[]any](t, m, "t", "/api/v2/alerts?silenced=false"), 1)
	require.Len(t, get[[]any](t, m, "t", "/api/v2/alerts/groups"), 2)
	require.Equal(t, []any{map[string]any{"name": "hook", "labels": nil}}[0].(map[string]any)["name"],
		get[[]map[string]any](t, m, "t", "/api/v2/receivers")[0]["name"])
	status := get[map[string]any](t, m, "t", "/api/v2/status")
	require.Contains(t, status["config"].(map[string]any)["original"], "webhook_configs")
	require.NotContains(t, status["config"].(map[string]any)["original"], w.URL, "addresses are secrets")
	rec = call(t, m, "t", http.MethodPost, "/api/v2/alerts", []any{map[string]any{"labels": map[string]string{}}})
	require.Equal(t, http.StatusBadRequest, rec.Code)
}

// Silences and the notification log outlive the process: the silence is there
// and nobody is told twice.
func TestRestart(t *testing.T) {
	w := newWebhook(t)
	dir, file := t.TempDir(), configFile(t, webhookConfig(w))
	m, stop := manager(t, dir, file)
	require.Equal(t, http.StatusOK, call(t, m, "t", http.MethodPost, "/api/v2/silences", silenceBody("Quiet")).Code)
	_, err := os.Stat(filepath.Join(dir, "t", "silences"))
	require.NoError(t, err, "saved before it was acknowledged")
	a := firing("Disk", "major")
	require.NoError(t, m.Put(t.Context(), "t", a))
	w.wait(t, "Disk major firing")
	stop()

	m, stop = manager(t, dir, file)
	defer stop()
	require.Len(t, get[[]any](t, m, "t", "/api/v2/silences"), 1)
	require.NoError(t, m.Put(t.Context(), "t", a, firing("Quiet", "minor")))
	time.Sleep(400 * time.Millisecond)
	w.wait(t, "Disk major firing")
	require.NoError(t, m.Put(t.Context(), "t", resolved(a)))
	w.wait(t, "Disk major firing", "Disk major resolved")
}

// brokenSnapshots cannot save.
type brokenSnapshots struct{ Dir }

func (brokenSnapshots) Save(context.Context, string, string, []byte, int64) (int64, error) {
	return 0, errors.New("no space left on device")
}

func TestSilenceNotSaved(t *testing.T) {
	m, err := New(Options{Config: DefaultConfig(), Snapshots: brokenSnapshots{Dir(t.TempDir())}})
	require.NoError(t, err)
	rec := call(t, m, "t", http.MethodPost, "/api/v2/silences", silenceBody("Quiet"))
	require.Equal(t, http.StatusServiceUnavailable, rec.Code)
	require.Error(t, m.Reset(t.Context()))
}

// shared are snapshots that two replicas use.
type shared struct {
	mu   sync.Mutex
	docs map[string][]byte
	v    map[string]int64
}

func (s *shared) Load(_ context.Context, tenant, name string) ([]byte, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.docs[tenant+name], s.v[tenant+name], nil
}

func (s *shared) Save(_ context.Context, tenant, name string, data []byte, version int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v[tenant+name] != version {
		return 0, ErrConflict
	}
	s.docs[tenant+name] = data
	s.v[tenant+name]++
	return s.v[tenant+name], nil
}

// What two replicas are told about silences is merged.
func TestReplicasShareSilences(t *testing.T) {
	store := &shared{docs: map[string][]byte{}, v: map[string]int64{}}
	var ms []*Manager
	for range 2 {
		m, err := New(Options{Config: DefaultConfig(), Snapshots: store})
		require.NoError(t, err)
		require.Empty(t, get[[]any](t, m, "t", "/api/v2/silences"))
		ms = append(ms, m)
	}
	for i, m := range ms {
		require.Equal(t, http.StatusOK, call(t, m, "t", http.MethodPost, "/api/v2/silences", silenceBody(fmt.Sprint(i))).Code)
	}
	require.Len(t, get[[]any](t, ms[1], "t", "/api/v2/silences"), 2)
	s, err := ms[0].stack(t.Context(), "t")
	require.NoError(t, err)
	s.loadNews(t.Context())
	require.Len(t, get[[]any](t, ms[0], "t", "/api/v2/silences"), 2)
	for _, m := range ms {
		require.NoError(t, m.Reset(t.Context()))
	}
}

func TestTooManyTenants(t *testing.T) {
	c := DefaultConfig()
	c.MaxTenants = 2
	reg := prometheus.NewRegistry()
	m, err := New(Options{Config: c, Snapshots: Dir(t.TempDir()), Registerer: reg})
	require.NoError(t, err)
	require.NoError(t, m.Put(t.Context(), "a", firing("Disk", "major")))
	get[[]any](t, m, "idle", "/api/v2/alerts")
	require.NoError(t, m.Put(t.Context(), "b", firing("Disk", "major")), "the idle tenant makes room")
	require.ErrorIs(t, m.Put(t.Context(), "c", firing("Disk", "major")), ErrTooManyTenants)
	n, err := testutil.GatherAndCount(reg, "alertmanager_silences_gc_duration_seconds")
	require.NoError(t, err)
	require.Equal(t, 2, n, "a tenant's metrics go with it")
	require.NoError(t, m.Reset(t.Context()))
}

func TestReload(t *testing.T) {
	w := newWebhook(t)
	file := configFile(t, "route: {receiver: none}\nreceivers: [{name: none}]\n")
	m, stop := manager(t, t.TempDir(), file)
	defer stop()
	require.NoError(t, m.Put(t.Context(), "t", firing("Disk", "major")))
	require.NoError(t, os.WriteFile(file, []byte("route: {receiver: nowhere}\n"), 0o600))
	require.ErrorContains(t, m.Reload(), "nowhere")
	require.NoError(t, os.WriteFile(file, []byte(webhookConfig(w)), 0o600))
	require.NoError(t, m.Reload())
	w.wait(t, "Disk major firing")
}

func TestResetTellsNobody(t *testing.T) {
	w := newWebhook(t)
	m, stop := manager(t, t.TempDir(), configFile(t, webhookConfig(w)))
	defer stop()
	require.NoError(t, m.Put(t.Context(), "t", firing("Disk", "major")))
	w.wait(t, "Disk major firing")
	require.NoError(t, m.Reset(t.Context()))
	time.Sleep(200 * time.Millisecond)
	w.wait(t, "Disk major firing")
	require.Empty(t, get[[]any](t, m, "t", "/api/v2/alerts"))
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	err := Config{MaxSilences: -1, MaxSilenceBytes: -1, MaxAlertsPerName: -1, MaxGroups: -1, ConfigFile: "none.yml"}.Validate()
	for _, key := range []string{"retention", "max_tenants", "max_silences", "max_silence_bytes", "max_alerts_per_name", "max_groups", "none.yml"} {
		require.ErrorContains(t, err, key)
	}
}
