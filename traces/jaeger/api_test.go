package jaeger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces"
)

func TestMain(m *testing.M) { enginetest.Main(m, traces.Migrations()...) }

const begin = 1_700_000_000 * int64(time.Second)

// spans are a trace of two services and one of a 64-bit id.
func spans() []telemetry.Span {
	str := telemetry.StringValue
	resource := func(service string) []telemetry.Attribute {
		return []telemetry.Attribute{{Key: "service.name", Value: str(service)}, {Key: "process.pid", Value: telemetry.IntValue(7)}}
	}
	id := telemetry.TraceID{0: 1, 15: 2}
	return []telemetry.Span{
		{TraceID: id, SpanID: telemetry.SpanID{7: 1}, Name: "GET /", Kind: telemetry.SpanKindServer, Start: begin, Duration: int64(time.Second), Resource: resource("front"), Flags: 1,
			Attributes: []telemetry.Attribute{{Key: "http.status_code", Value: telemetry.IntValue(500)}, {Key: "ratio", Value: telemetry.FloatValue(0.5)}, {Key: "ok", Value: telemetry.BoolValue(true)}, {Key: "list", Value: telemetry.JSONValue(`["a"]`)}},
			Status:     telemetry.StatusError, StatusMessage: "boom", TraceState: "a=b", Scope: telemetry.Scope{Name: "lib", Version: "1"}},
		{TraceID: id, SpanID: telemetry.SpanID{7: 2}, ParentID: telemetry.SpanID{7: 1}, Name: "list", Kind: telemetry.SpanKindServer, Start: begin + 1500, Duration: 2500, Resource: resource("cart"),
			Events: []telemetry.SpanEvent{{Time: begin + 2000, Name: "exception", Attributes: []telemetry.Attribute{{Key: "exception.type", Value: str("io")}}}},
			Links:  []telemetry.SpanLink{{TraceID: telemetry.TraceID{15: 9}, SpanID: telemetry.SpanID{7: 9}}}},
		{TraceID: telemetry.TraceID{15: 0xab}, SpanID: telemetry.SpanID{7: 1}, Name: "tick", Kind: telemetry.SpanKindInternal, Start: begin + int64(time.Minute), Duration: 1000, Resource: resource("front")},
	}
}

func serve(t *testing.T) (get func(path string) (int, string)) {
	t.Helper()
	tenant := enginetest.Tenant(t)
	cfg := traces.DefaultConfig()
	cfg.Limits = traces.Limits{}
	w := traces.NewWriter(cfg, enginetest.Client(t), traces.WriterOptions{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	if _, err := w.WriteSpans(ctx, tenant, spans()); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Unix(0, begin).Add(2 * time.Minute) }
	mux := server.NewMux(server.MuxOptions{})
	New(traces.NewReader(cfg.Query, enginetest.Client(t), now), now).Register(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/jaeger/api"+path, nil)
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

const (
	long  = "01000000000000000000000000000002"
	short = "00000000000000ab"
)

func TestAnswersGolden(t *testing.T) {
	get := serve(t)
	var b bytes.Buffer
	for _, path := range []string{
		"/services", "/services/front/operations", "/operations?service=front", "/operations?service=front&spanKind=server",
		"/traces/" + long, "/traces/" + short, "/traces?traceID=" + short + "&traceID=ff&traceID=" + strings.ToUpper(long),
		"/dependencies?endTs=1700000060000&lookback=3600000",
	} {
		status, body := get(path)
		if status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
			continue
		}
		b.WriteString("== " + path + "\n")
		if err := json.Indent(&b, []byte(body), "", "  "); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "answers.txt", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
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

func TestFindTraces(t *testing.T) {
	get := serve(t)
	for _, c := range []struct {
		query url.Values
		want  int
	}{
		{url.Values{"service": {"front"}}, 2},
		{url.Values{"service": {"front"}, "limit": {"1"}}, 1},
		{url.Values{"service": {"cart"}}, 1},
		{url.Values{"service": {"none"}}, 0},
		{url.Values{"service": {"front"}, "operation": {"tick"}}, 1},
		{url.Values{"service": {"front"}, "tags": {`{"http.status_code":"500"}`}}, 1},
		{url.Values{"service": {"front"}, "tags": {`{"error":"true"}`}}, 1},
		{url.Values{"service": {"front"}, "tags": {`{"ok":"true","ratio":"0.5"}`}}, 1},
		{url.Values{"service": {"front"}, "tags": {`{"span.kind":"internal"}`}}, 1},
		{url.Values{"service": {"front"}, "tag": {"otel.status_code:ERROR"}}, 1},
		{url.Values{"service": {"front"}, "tags": {`{"http.status_code":"200"}`}}, 0},
		{url.Values{"service": {"front"}, "minDuration": {"100ms"}}, 1},
		{url.Values{"service": {"front"}, "maxDuration": {"1ms"}}, 1},
		{url.Values{"service": {"front"}, "start": {"1700000050000000"}, "end": {"1700000070000000"}}, 1},
		{url.Values{"service": {"front"}, "lookback": {"90s"}}, 1},
		{url.Values{"service": {"front"}, "lookback": {"2d"}}, 2},
	} {
		status, body := get("/traces?" + c.query.Encode())
		var out struct{ Data []trace }
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 || len(out.Data) != c.want {
			t.Errorf("%v: %d, %d traces, want %d: %v %s", c.query, status, len(out.Data), c.want, err, body)
		}
	}
}

func TestErrors(t *testing.T) {
	get := serve(t)
	for path, want := range map[string]string{
		"/traces/ff":                      `404 {"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":404,"msg":"trace not found"}]}`,
		"/traces/xyz":                     "400 ",
		"/traces":                         "parameter 'service' is required",
		"/operations":                     "parameter 'service' is required",
		"/traces?service=a&tags=x":        "malformed 'tags'",
		"/traces?service=a&tag=x":         "malformed 'tag'",
		"/traces?service=a&minDuration=5": "cannot parse minDuration",
		"/traces?service=a&start=5&end=3": "must be before end",
		"/traces?service=a&lookback=x":    "cannot parse lookback",
		"/traces?service=a&limit=100000":  "max_traces",
		"/traces?service=a&start=" + fmt.Sprint(int64(1)<<60): "Unix microseconds",
		"/dependencies?endTs=x":                               "cannot parse endTs",
		"/dependencies?endTs=5&lookback=10":                   "no range of time",
		"/traces?" + strings.Repeat("traceID=1&", 101):        "more than the limit of 100",
	} {
		status, body := get(path)
		if got := fmt.Sprint(status, " ", body); status < 400 || status > 499 || !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
