package alerting

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"
	"github.com/watchfire/watchfire/alerting/eval"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage/records/recordstest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
		os.Exit(code)
	}))
}

// answers are a fake query engine: values by expression, for one series.
type answers struct {
	mu     sync.Mutex
	values map[string]float64
}

func (a *answers) set(expr string, v float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.values[expr] = v
}

func (a *answers) query(_ context.Context, _ string, _ rules.Language, expr string, at time.Time) (promql.Vector, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.values[expr]
	if !ok {
		return nil, nil
	}
	return promql.Vector{{Metric: labels.FromStrings("__name__", "used", "host", "a"), F: v, T: at.UnixMilli()}}, nil
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

const testRules = `
watchfire: 1
groups:
  - name: disks
    interval: 100ms
    owner: platform
    rules:
      - alert: Disk
        application: shop
        expr: used
        levels:
          critical: {above: 95, clear: 90}
          major: {above: 80}
        annotations: {summary: '{{ $labels.host }} at {{ $value }}'}
      - record: used:max
        expr: max(used)
`

type hook struct {
	*httptest.Server
	got chan string
}

func newHook(t *testing.T) *hook {
	h := &hook{got: make(chan string, 100)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct {
			Alerts []struct {
				Status              string
				Labels, Annotations map[string]string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		for _, a := range m.Alerts {
			h.got <- fmt.Sprintf("%s %s %s: %s", a.Labels["alertname"], a.Labels["severity"], a.Status, a.Annotations["summary"])
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) next(t *testing.T) string {
	t.Helper()
	select {
	case s := <-h.got:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("the webhook was not called")
		return ""
	}
}

// start runs a service on rules and a webhook, and serves its API.
func start(t *testing.T, a *answers, h *hook, change func(*Options)) (*Service, string) {
	t.Helper()
	c := DefaultConfig()
	c.BuiltinRules = nil
	c.RuleFiles = []string{write(t, "rules.yaml", testRules)}
	c.Evaluation.Interval = model100ms
	c.Notify.ConfigFile = write(t, "alertmanager.yml", "route: {receiver: hook, group_by: [alertname], group_wait: 10ms, group_interval: 50ms}\n"+
		"receivers: [{name: hook, webhook_configs: [{url: '"+h.URL+"'}]}]\n")
	o := Options{Config: c, Query: a.query, Records: recordstest.Open(t, recordstest.SQLite(t))}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	mux := server.NewMux(server.MuxOptions{})
	s.Register(mux)
	s.RegisterPrometheus(mux, "/api/v1")
	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		srv.Close()
		cancel()
		require.NoError(t, <-done)
	})
	return s, srv.URL
}

const model100ms = model.Duration(100 * time.Millisecond)

func get(t *testing.T, url string, into any) int {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if into != nil {
		require.NoError(t, json.Unmarshal(b, into), "%s", b)
	}
	return resp.StatusCode
}

// From a value to a webhook and back, with all that the APIs say meanwhile.
func TestRuleToWebhook(t *testing.T) {
	a, h := &answers{values: map[string]float64{"used": 50}}, newHook(t)
	s, url := start(t, a, h, nil)
	a.set("used", 85)
	require.Equal(t, "Disk major firing: a at 85", h.next(t))
	a.set("used", 96)
	require.Equal(t, "Disk critical firing: a at 96", h.next(t))

	var got struct{ Alerts []Alert }
	require.Equal(t, 200, get(t, url+"/api/ops/v1/alerts?level=critical&state=firing&owner=platform&application=shop", &got))
	require.Len(t, got.Alerts, 1)
	alert := got.Alerts[0]
	require.Equal(t, "P1", alert.Priority)
	require.Equal(t, 95.0, *alert.Threshold)
	require.Equal(t, 90.0, *alert.Clear)
	require.Equal(t, eval.Value(96), alert.Value)
	require.Equal(t, "critical: value 96 > 95 for 0s (for 0s)", alert.Reason)
	require.Equal(t, 200, get(t, url+"/api/ops/v1/alerts?level=minor", &got))
	require.Empty(t, got.Alerts)
	require.Equal(t, 400, get(t, url+"/api/ops/v1/alerts?level=fatal", nil))
	require.Equal(t, 400, get(t, url+"/api/ops/v1/alerts?state=odd", nil))
	require.Len(t, s.Alerts("default"), 1)

	prometheusClient(t, url)
	var am []map[string]any
	require.Equal(t, 200, get(t, url+"/alertmanager/api/v2/alerts?filter=severity%3Dcritical", &am))
	require.Len(t, am, 1)

	a.set("used", 10)
	require.Equal(t, "Disk critical resolved: a at 96", h.next(t))
	var history struct{ Transitions []Transition }
	require.Eventually(t, func() bool {
		get(t, url+"/api/ops/v1/alerts/"+alert.ID+"/history", &history)
		return len(history.Transitions) == 3
	}, 5*time.Second, 20*time.Millisecond)
	require.Equal(t, rules.Critical, history.Transitions[0].FromLevel)
	require.Equal(t, eval.Inactive, history.Transitions[0].To)
	require.Equal(t, "disks", history.Transitions[0].Group)
	require.WithinDuration(t, time.Now(), history.Transitions[0].Time, time.Minute)
	require.Equal(t, rules.Major, history.Transitions[2].Level)
	require.Equal(t, 200, get(t, url+"/api/ops/v1/alerts/"+alert.ID+"/history?limit=1", &history))
	require.Len(t, history.Transitions, 1)
	require.Equal(t, 404, get(t, url+"/api/ops/v1/alerts/none/history", nil))
	require.Equal(t, 400, get(t, url+"/api/ops/v1/alerts/none/history?limit=x", nil))
}

// Prometheus' own client understands the answers.
func prometheusClient(t *testing.T, url string) {
	t.Helper()
	c, err := api.NewClient(api.Config{Address: url, Client: http.DefaultClient})
	require.NoError(t, err)
	found, err := promv1.NewAPI(c).Rules(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, found.Groups, 1)
	require.Equal(t, "disks", found.Groups[0].Name)
	rule := found.Groups[0].Rules[0].(promv1.AlertingRule)
	require.Equal(t, "firing", rule.State)
	require.Equal(t, string(promv1.RuleHealthGood), string(rule.Health))
	require.Len(t, rule.Alerts, 1)
	require.Equal(t, "used:max", found.Groups[0].Rules[1].(promv1.RecordingRule).Name)
	alerts, err := promv1.NewAPI(c).Alerts(t.Context())
	require.NoError(t, err)
	require.Len(t, alerts.Alerts, 1)
	require.Equal(t, promv1.AlertStateFiring, alerts.Alerts[0].State)
	require.Equal(t, "critical", string(alerts.Alerts[0].Labels["severity"]))
}

func TestPrometheusRulesParameters(t *testing.T) {
	a, h := &answers{values: map[string]float64{}}, newHook(t)
	_, url := start(t, a, h, func(o *Options) {
		o.Config.RuleFiles = append(o.Config.RuleFiles, write(t, "more.yaml", "groups:\n- name: more\n  labels: {team: x}\n  rules:\n  - {alert: Down, expr: up == 0, labels: {severity: page}}\n"))
	})
	type answer struct {
		Data struct {
			Groups []struct {
				Name  string
				Rules []struct{ Name, Type string }
			}
			GroupNextToken string
		}
	}
	names := func(query string) (s []string) {
		var v answer
		require.Equal(t, 200, get(t, url+"/api/v1/rules?"+query, &v), query)
		for _, g := range v.Data.Groups {
			for _, r := range g.Rules {
				s = append(s, r.Name)
			}
		}
		return s
	}
	require.ElementsMatch(t, []string{"Disk", "used:max", "Down"}, names(""))
	require.ElementsMatch(t, []string{"Disk", "Down"}, names("type=alert"))
	require.Equal(t, []string{"used:max"}, names("type=record"))
	require.Equal(t, []string{"Down"}, names("rule_group[]=more"))
	require.Equal(t, []string{"Down"}, names("rule_name[]=Down&exclude_alerts=true"))
	require.Equal(t, []string{"Down"}, names(`match[]={team="x"}`))
	require.Empty(t, names("file[]=none"))
	var page answer
	get(t, url+"/api/v1/rules?group_limit=1", &page)
	require.Len(t, page.Data.Groups, 1)
	require.NotEmpty(t, page.Data.GroupNextToken)
	require.Len(t, names("group_limit=5&group_next_token="+page.Data.GroupNextToken), 3-len(page.Data.Groups[0].Rules))
	for _, bad := range []string{"type=x", "exclude_alerts=x", "match[]=x{", "group_limit=0", "group_limit=x", "group_next_token=x", "group_limit=1&group_next_token=x"} {
		var e struct{ Status, ErrorType string }
		require.Equal(t, 400, get(t, url+"/api/v1/rules?"+bad, &e), bad)
		require.Equal(t, "bad_data", e.ErrorType)
	}
}

func TestOpsRulesAndValidate(t *testing.T) {
	a, h := &answers{values: map[string]float64{}}, newHook(t)
	_, url := start(t, a, h, nil)
	var got struct{ Groups []Group }
	require.Equal(t, 200, get(t, url+"/api/ops/v1/rules", &got))
	require.Equal(t, ">", got.Groups[0].Rules[0].Levels[0].Condition)
	require.Equal(t, rules.Critical, got.Groups[0].Rules[0].Levels[0].Level)
	require.Equal(t, "record", got.Groups[0].Rules[1].Kind)

	validate := func(text string) (v struct {
		Valid    bool
		Rules    int
		Problems []problem
	}) {
		resp, err := http.Post(url+"/api/ops/v1/rules/validate", "application/yaml", strings.NewReader(text))
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode)
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&v))
		return v
	}
	good := validate(testRules)
	require.True(t, good.Valid)
	require.Equal(t, 2, good.Rules)
	bad := validate("groups:\n  - nam: x\n")
	require.False(t, bad.Valid)
	require.Equal(t, problem{2, 5, `unknown key "nam" in a group`, `did you mean "name"?`}, bad.Problems[0])
}

// Alerts and silences from outside, per tenant.
func TestAlertmanagerAPI(t *testing.T) {
	a, h := &answers{values: map[string]float64{}}, newHook(t)
	_, url := start(t, a, h, nil)
	post := func(tenant, path string, body any) int {
		b, err := json.Marshal(body)
		require.NoError(t, err)
		r, err := http.NewRequest(http.MethodPost, url+path, bytes.NewReader(b))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(server.TenantHeader, tenant)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	require.Equal(t, 200, post("other", "/alertmanager/api/v2/alerts", []any{map[string]any{"labels": map[string]string{"alertname": "Outside"}}}))
	require.Equal(t, "Outside  firing: ", h.next(t))
	var alerts []any
	get(t, url+"/alertmanager/api/v2/alerts", &alerts)
	require.Empty(t, alerts, "another tenant's")
	require.Equal(t, 200, post("default", "/alertmanager/api/v2/silences", map[string]any{
		"matchers": []any{map[string]any{"name": "alertname", "value": "Disk", "isRegex": false}},
		"startsAt": time.Now().Format(time.RFC3339), "endsAt": time.Now().Add(time.Hour).Format(time.RFC3339), "createdBy": "t", "comment": "c"}))
	a.set("used", 99)
	require.Eventually(t, func() bool {
		get(t, url+"/alertmanager/api/v2/alerts?silenced=true&active=false", &alerts)
		return len(alerts) == 1
	}, 10*time.Second, 20*time.Millisecond)
	require.Empty(t, h.got)
}

// A restart on the same records neither tells twice nor forgets to tell the
// end.
func TestRestart(t *testing.T) {
	a, h := &answers{values: map[string]float64{"used": 96}}, newHook(t)
	db := recordstest.Open(t, recordstest.SQLite(t))
	c := DefaultConfig()
	c.BuiltinRules = nil
	c.RuleFiles = []string{write(t, "rules.yaml", testRules)}
	c.Notify.ConfigFile = write(t, "alertmanager.yml", "route: {receiver: hook, group_by: [alertname], group_wait: 10ms, group_interval: 50ms}\n"+
		"receivers: [{name: hook, webhook_configs: [{url: '"+h.URL+"'}]}]\n")
	run := func(do func(s *Service)) {
		s, err := New(Options{Config: c, Query: a.query, Records: db})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		do(s)
		cancel()
		require.NoError(t, <-done)
	}
	var since time.Time
	run(func(s *Service) {
		require.Equal(t, "Disk critical firing: a at 96", h.next(t))
		since = s.Alerts("default")[0].Since
		// What was told is noted after the receiver has answered; a stop before
		// that tells again, which is not what this test is about.
		time.Sleep(500 * time.Millisecond)
	})
	run(func(s *Service) {
		require.Eventually(t, func() bool { return len(s.Alerts("default")) == 1 }, 5*time.Second, 10*time.Millisecond)
		require.Equal(t, since, s.Alerts("default")[0].Since)
		time.Sleep(500 * time.Millisecond)
		require.Empty(t, h.got)
		a.set("used", 1)
		require.Equal(t, "Disk critical resolved: a at 96", h.next(t))
	})
}

func TestReload(t *testing.T) {
	a, h := &answers{values: map[string]float64{"used": 85}}, newHook(t)
	s, _ := start(t, a, h, nil)
	require.Equal(t, "Disk major firing: a at 85", h.next(t))
	file := s.o.Config.RuleFiles[0]
	require.NoError(t, os.WriteFile(file, []byte("groups: [{}]"), 0o600))
	var problems rules.Problems
	require.ErrorAs(t, s.Reload(), &problems)
	require.Len(t, s.Alerts("default"), 1)
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(testRules, "above: 80", "above: 84")), 0o600))
	require.NoError(t, s.Reload())
	require.NoError(t, os.WriteFile(file, []byte("groups: []"), 0o600))
	require.NoError(t, s.Reload())
	got := h.next(t)
	for got == "Disk major firing: a at 85" { // a reload may cut a notification off before it is noted
		got = h.next(t)
	}
	require.Equal(t, "Disk major resolved: a at 85", got)
}

func TestConfig(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	require.NoError(t, DefaultConfig().Check(nil))
	c := DefaultConfig()
	c.BuiltinRules = append(c.BuiltinRules, "none")
	c.Severities = map[string]rules.Level{"odd": rules.None}
	c.TenantRuleFiles = map[string][]string{"default": nil}
	c.Evaluation.Concurrency = 0
	c.Notify.MaxTenants = 0
	err := c.Validate()
	for _, want := range []string{"builtin_rules", "severities", "tenant_rule_files", "evaluation.concurrency", "notify.max_tenants"} {
		require.ErrorContains(t, err, want)
	}
	c.RuleFiles = []string{"none.yaml"}
	require.ErrorContains(t, c.Check(nil), "none.yaml:1:1: cannot read rule file")
}
