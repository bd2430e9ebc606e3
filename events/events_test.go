package events

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

func TestMain(m *testing.M) { enginetest.Main(m, Migrations()...) }

const now = 1_700_000_000 * int64(time.Second)

// writer runs a writer without limits until the test ends.
func writer(t testing.TB) *Writer {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Limits = Limits{}
	w := NewWriter(cfg, enginetest.Client(t), WriterOptions{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func reader(t testing.TB) *Reader {
	return NewReader(DefaultConfig().Query, enginetest.Client(t), func() time.Time { return time.Unix(0, now) })
}

// accept fails the test unless all n records were stored.
func accept(t testing.TB, n int) func(telemetry.Outcome, error) {
	return func(out telemetry.Outcome, err error) {
		t.Helper()
		if err != nil || out.Accepted != n {
			t.Fatalf("accepted %d of %d: %v %s", out.Accepted, n, err, out.Message())
		}
	}
}

func event(id string, age time.Duration) telemetry.Event {
	return telemetry.Event{
		Time: now - int64(age), Source: "kubernetes", ID: id, Entity: telemetry.EntityRef{Kind: "pod", Cluster: "c", Namespace: "ns", Name: "cart-1", UID: "u1"},
		Severity: 13, Reason: "BackOff", Message: "restarting failed container", Count: 2,
		Attrs: []telemetry.Attribute{
			{Key: "s", Value: telemetry.StringValue("x")}, {Key: "i", Value: telemetry.IntValue(-7)}, {Key: "f", Value: telemetry.FloatValue(0.5)},
			{Key: "b", Value: telemetry.BoolValue(true)}, {Key: "j", Value: telemetry.JSONValue(`{"a":[1]}`)},
		},
	}
}

func change(id string, age time.Duration) telemetry.Change {
	c := telemetry.Change{Event: event(id, age), Kind: "deploy", Reference: "abc123", Author: "ann", Title: "cart 1.2", Before: `{"image":"cart:1.1"}`, After: `{"image":"cart:1.2"}`, URL: "http://ci/1"}
	c.Source, c.Reason, c.Entity.Kind = "ci", "", "workload"
	return c
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	w, tenant := writer(t), enginetest.Tenant(t)
	e, c := event("1", time.Minute), change("2", time.Second)
	accept(t, 1)(w.WriteEvents(t.Context(), tenant, []telemetry.Event{e}))
	accept(t, 1)(w.WriteChanges(t.Context(), tenant, []telemetry.Change{c}))
	got, stats, err := reader(t).Events(t.Context(), tenant, Filter{})
	if err != nil || stats.Rows == 0 {
		t.Fatal(err, stats)
	}
	if want := []telemetry.Change{c, {Event: e}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	if got, _, _ := reader(t).Events(t.Context(), enginetest.Tenant(t), Filter{}); len(got) != 0 {
		t.Errorf("another tenant reads %d events", len(got))
	}
}

func TestRepeatedEventsShowOnce(t *testing.T) {
	w, tenant := writer(t), enginetest.Tenant(t)
	e := event("1", time.Minute)
	later := event("1", time.Second)
	later.Count = 5
	unnamed := event("", time.Second)
	other := event("", time.Second)
	other.Message = "another"
	for range 2 {
		accept(t, 4)(w.WriteEvents(t.Context(), tenant, []telemetry.Event{e, later, unnamed, other}))
	}
	got, _, err := reader(t).Events(t.Context(), tenant, Filter{})
	if err != nil || len(got) != 3 {
		t.Fatalf("%v, %d events, want 3", err, len(got))
	}
	if i := slices.IndexFunc(got, func(e telemetry.Change) bool { return e.ID == "1" }); got[i].Count != 5 {
		t.Errorf("count is %d, want the latest, 5", got[i].Count)
	}
	if got, _, _ := reader(t).Events(t.Context(), tenant, Filter{From: 1, To: now - int64(30*time.Second)}); len(got) != 1 || got[0].Count != 2 {
		t.Errorf("in the range before, %+v", got)
	}
}

func TestStates(t *testing.T) {
	w, tenant := writer(t), enginetest.Tenant(t)
	state := func(name, version string, age time.Duration, deleted bool) State {
		s := State{Time: now - int64(age), Entity: telemetry.EntityRef{Kind: "Deployment", Cluster: "c", Namespace: "ns", Name: name, UID: "u-" + name}, Version: version, Deleted: deleted}
		if !deleted {
			s.Object = `{"spec":{"replicas":` + version + `}}`
		}
		return s
	}
	all := []State{
		state("cart", "1", time.Hour, false), state("cart", "2", time.Minute, false),
		state("pay", "3", time.Hour, false), state("pay", "4", time.Minute, true),
		state("new", "5", time.Second, false),
	}
	accept(t, 5)(w.WriteStates(t.Context(), tenant, all))
	accept(t, 5)(w.WriteStates(t.Context(), tenant, all))
	for _, c := range []struct {
		at     int64
		entity telemetry.EntityRef
		want   []State
	}{
		{0, telemetry.EntityRef{}, []State{all[1], all[4]}},
		{now - int64(30*time.Minute), telemetry.EntityRef{}, []State{all[0], all[2]}},
		{now - int64(30*time.Minute), telemetry.EntityRef{Kind: "Deployment", Cluster: "c", Namespace: "ns", Name: "pay"}, []State{all[2]}},
		{now - int64(2*time.Hour), telemetry.EntityRef{}, nil},
		{0, telemetry.EntityRef{Cluster: "other"}, nil},
	} {
		got, _, err := reader(t).StatesAsOf(t.Context(), tenant, StateFilter{At: c.at, Entity: c.entity})
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d %+v: %v\n got %+v\nwant %+v", c.at, c.entity, err, got, c.want)
		}
	}
	got, _, err := reader(t).StateHistory(t.Context(), tenant, StateFilter{Entity: telemetry.EntityRef{Name: "pay"}})
	if err != nil || !reflect.DeepEqual(got, []State{all[3], all[2]}) {
		t.Errorf("history: %v %+v", err, got)
	}
	if got, _, _ := reader(t).StatesAsOf(t.Context(), enginetest.Tenant(t), StateFilter{}); len(got) != 0 {
		t.Errorf("another tenant reads %d states", len(got))
	}
}

func TestLimits(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Limits = Limits{MaxAge: time.Hour, MaxAhead: time.Minute, MaxText: 50, MaxObject: 100, MaxAttributes: 5}
	w := NewWriter(cfg, nil, WriterOptions{Now: func() time.Time { return time.Unix(0, now) }})
	check := checker{w.limits("t"), now}
	long := strings.Repeat("x", 101)
	for _, c := range []struct {
		reason, knob string
		do           func(*telemetry.Change)
	}{
		{"", "", func(*telemetry.Change) {}},
		{reasonTooOld, "max_age", func(e *telemetry.Change) { e.Time -= int64(2 * time.Hour) }},
		{reasonTooAhead, "max_ahead", func(e *telemetry.Change) { e.Time += int64(2 * time.Minute) }},
		{reasonText, "max_text", func(e *telemetry.Change) { e.Message = long }},
		{reasonText, "max_text", func(e *telemetry.Change) { e.Entity.Name = long }},
		{reasonText, "max_text", func(e *telemetry.Change) { e.Attrs[0].Key = long }},
		{reasonObject, "max_object", func(e *telemetry.Change) { e.After = long }},
		{reasonAttributes, "max_attributes", func(e *telemetry.Change) { e.Attrs = append(e.Attrs, e.Attrs[0]) }},
		{reasonSource, "source", func(e *telemetry.Change) { e.Source = "" }},
	} {
		e := change("1", time.Second)
		c.do(&e)
		r := check.change(&e)
		if r == nil {
			r = &refusal{}
		}
		if r.reason != c.reason || !strings.Contains(r.detail, c.knob) {
			t.Errorf("%s: got %+v", c.reason, r)
		}
	}
	for reason, s := range map[string]State{
		reasonEntity: {Time: now}, reasonTooOld: {Entity: telemetry.EntityRef{Kind: "k", Name: "n"}},
		reasonObject: {Time: now, Entity: telemetry.EntityRef{Kind: "k", Name: "n"}, Object: long},
		reasonText:   {Time: now, Entity: telemetry.EntityRef{Kind: "k", Name: "n"}, Version: long},
	} {
		if r := check.state(&s); r == nil || r.reason != reason {
			t.Errorf("%s: %+v", reason, r)
		}
	}
}

// serve answers the API of a tenant with a few records.
func serve(t *testing.T) (get func(path string) (int, string)) {
	w, tenant := writer(t), enginetest.Tenant(t)
	oom := event("oom", time.Minute)
	oom.Severity, oom.Message, oom.Reason, oom.Entity.Name, oom.Entity.Cluster = 17, "Out Of Memory: it's full", "OOMKilled", "pay-1", "d"
	accept(t, 3)(w.WriteEvents(t.Context(), tenant, []telemetry.Event{event("backoff", time.Second), event("old", 2*time.Hour), oom}))
	config := change("config", 3*time.Second)
	config.Kind = "config"
	accept(t, 2)(w.WriteChanges(t.Context(), tenant, []telemetry.Change{change("deploy", 2*time.Second), config}))
	accept(t, 1)(w.WriteStates(t.Context(), tenant, []State{{Time: now, Entity: telemetry.EntityRef{Kind: "Node", Name: "n1"}, Version: "7", Object: `{"a":1}`}}))
	mux := server.NewMux(server.MuxOptions{})
	NewAPI(reader(t)).Register(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/ops/v1"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Scope-OrgID", tenant)
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
}

func TestAPI(t *testing.T) {
	get := serve(t)
	for path, want := range map[string][]string{
		"/events":                                   {"backoff", "deploy", "config", "oom"},
		"/events?limit=2":                           {"backoff", "deploy"},
		"/events?start=2023-11-14T19:00:00Z":        {"backoff", "deploy", "config", "oom", "old"},
		"/events?start=1699990000&end=1699999000":   {"old"},
		"/events?severity=17":                       {"oom"},
		"/events?entity_kind=pod&cluster=c":         {"backoff"},
		"/events?namespace=ns&name=pay-1&uid=u1":    {"oom"},
		"/events?source=kubernetes":                 {"backoff", "oom"},
		"/events?reason=OOMKilled":                  {"oom"},
		"/events?text=memory:%20IT'S":               {"oom"},
		"/changes":                                  {"deploy", "config"},
		"/changes?kind=config":                      {"config"},
		"/changes?kind=none":                        nil,
		"/events?start=1699999999.5&end=1700000001": nil,
	} {
		status, body := get(path)
		var out struct {
			Data []struct{ ID string }
		}
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
		var ids []string
		for _, e := range out.Data {
			ids = append(ids, e.ID)
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", path, ids, want)
		}
	}
	for path, want := range map[string]string{
		"/changes?kind=config":  `{"status":"success","data":[{"time":"2023-11-14T22:13:17Z","source":"ci","id":"config","entity":{"kind":"workload","cluster":"c","namespace":"ns","name":"cart-1","uid":"u1"},"severity":13,"message":"restarting failed container","count":2,"attributes":{"b":true,"f":0.5,"i":-7,"j":{"a":[1]},"s":"x"},"change":{"kind":"config","reference":"abc123","author":"ann","title":"cart 1.2","before":"{\"image\":\"cart:1.1\"}","after":"{\"image\":\"cart:1.2\"}","url":"http://ci/1"}}]}`,
		"/states":               `{"status":"success","data":[{"time":"2023-11-14T22:13:20Z","entity":{"kind":"Node","name":"n1"},"version":"7","object":{"a":1}}]}`,
		"/states?history=true":  `"version":"7"`,
		"/states?at=5":          `"data":[]`,
		"/events?limit=-1":      "cannot parse limit",
		"/events?limit=20000":   "max_results",
		"/events?start=x":       "cannot parse start",
		"/events?start=5&end=4": "not before",
		"/events?severity=99":   "cannot parse severity",
		"/states?at=1e300":      "cannot parse at",
	} {
		if _, body := get(path); !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
}

func TestTablesGolden(t *testing.T) {
	for name, f := range map[string]storage.Flavour{"ddl_single.sql": {}, "ddl_cluster.sql": {Cluster: "main"}} {
		got := storage.RenderMigrations(f, Migrations())
		path := "testdata/" + name
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs; after checking it, run with UPDATE_GOLDEN=1. Got:\n%s", path, got)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	c := DefaultConfig()
	c.Query.MaxResults, c.Limits.MaxAge = 0, -1
	if err := c.Validate(); err == nil || !strings.Contains(fmt.Sprint(err), "max_results") || !strings.Contains(fmt.Sprint(err), "max_age") {
		t.Errorf("%v", err)
	}
}
