package dashboards

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func testReader() *Reader {
	return &Reader{
		Sources: func(string, time.Time) []Source { return nil },
		Query:   func(context.Context, string, string, time.Time) (promql.Vector, error) { return nil, nil },
		Errors:  func(context.Context, string, time.Time, time.Time, int) ([]Line, error) { return nil, nil },
		Alerts:  func(context.Context, string) ([]Alert, error) { return nil, nil },
		Now:     func() time.Time { return noon },
	}
}

func TestOverviewStates(t *testing.T) {
	r := testReader()
	r.Sources = func(string, time.Time) []Source {
		return []Source{
			{Name: "fresh", LastSeen: noon.Add(-time.Second)},
			{Name: "slow", LastSeen: noon.Add(-2 * time.Minute)},
			{Name: "gone", LastSeen: noon.Add(-time.Hour)},
		}
	}
	r.Query = func(_ context.Context, _, expr string, _ time.Time) (promql.Vector, error) {
		switch {
		case strings.Contains(expr, "timestamp(system_cpu_load_average_1m)"):
			return promql.Vector{
				{Metric: labels.FromStrings("host_name", "a"), F: float64(noon.Add(-10 * time.Second).Unix())},
				{Metric: labels.FromStrings("host_name", "b"), F: float64(noon.Add(-5 * time.Minute).Unix())},
				{Metric: labels.FromStrings("host_name", "c"), F: float64(noon.Add(-30 * time.Minute).Unix())},
			}, nil
		case strings.Contains(expr, "system_memory_usage_bytes"):
			return promql.Vector{{Metric: labels.FromStrings("host_name", "a"), F: 0.5}}, nil
		}
		return nil, nil
	}
	o := r.Overview(t.Context(), "default")
	for i, want := range []State{StateOK, StateLate, StateMissing} {
		if got := o.Sources[i].State; got != want {
			t.Errorf("source %s: state %s, want %s", o.Sources[i].Name, got, want)
		}
	}
	for i, want := range []State{StateOK, StateLate, StateUnknown} {
		if got := o.Hosts[i].State; got != want {
			t.Errorf("host %s: state %s, want %s", o.Hosts[i].Name, got, want)
		}
	}
	if m := o.Hosts[0].Memory; m == nil || *m != 0.5 {
		t.Errorf("memory of host a: %v, want 0.5", m)
	}
	if o.Hosts[1].Memory != nil {
		t.Errorf("memory of host b is %v, want unknown", *o.Hosts[1].Memory)
	}
}

func TestOverviewNamesWhatItCannotRead(t *testing.T) {
	r := testReader()
	r.Query = func(context.Context, string, string, time.Time) (promql.Vector, error) {
		return nil, errors.New("ClickHouse is away")
	}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/ops/v1/overview", nil))
	var o map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &o); err != nil {
		t.Fatal(err)
	}
	if p := o["problems"].([]any); len(p) != 1 || p[0] != "hosts: ClickHouse is away" {
		t.Errorf("problems: %v", p)
	}
	for _, part := range []string{"sources", "hosts", "errors", "alerts"} {
		if _, ok := o[part].([]any); !ok {
			t.Errorf("%s is %v, want a list", part, o[part])
		}
	}
}

func TestOverviewOrdersAlerts(t *testing.T) {
	r := testReader()
	r.Alerts = func(context.Context, string) ([]Alert, error) {
		return []Alert{
			{Name: "pending", Level: "critical", State: "pending", Since: noon},
			{Name: "minor", Level: "minor", State: "firing", Since: noon},
			{Name: "old", Level: "major", State: "firing", Since: noon.Add(-time.Hour)},
			{Name: "new", Level: "major", State: "firing", Since: noon},
		}, nil
	}
	var got []string
	for _, a := range r.Overview(t.Context(), "default").Alerts {
		got = append(got, a.Name)
	}
	if want := "new old minor pending"; strings.Join(got, " ") != want {
		t.Errorf("order %v, want %s", got, want)
	}
}

func TestPage(t *testing.T) {
	for path, kind := range map[string]string{"/": "text/html", "/app.js": "javascript", "/words.js": "javascript", "/style.css": "text/css", "/icon.svg": "image/svg"} {
		rec := httptest.NewRecorder()
		Page().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if rec.Code != http.StatusOK || !strings.Contains(rec.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: status %d, type %q", path, rec.Code, rec.Header().Get("Content-Type"))
		}
	}
	rec := httptest.NewRecorder()
	Page().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/nothing.js", nil))
	if rec.Code != http.StatusNotFound {
		t.Errorf("a missing file: status %d, want 404", rec.Code)
	}
}
