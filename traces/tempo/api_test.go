package tempo

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

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces"
)

func TestMain(m *testing.M) { enginetest.Main(m, traces.Migrations()...) }

const (
	second  = int64(time.Second)
	begin   = 1_700_000_000
	traceID = "0102030405060708090a0b0c0d0e0f10"
)

// shop is two traces: a request through three services, and one of a 64-bit
// id.
func shop() []telemetry.Span {
	str := telemetry.StringValue
	resource := func(service string) []telemetry.Attribute {
		return []telemetry.Attribute{{Key: "service.name", Value: str(service)}, {Key: "process.pid", Value: telemetry.IntValue(7)}, {Key: "process.command_args", Value: telemetry.JSONValue(`["a",1,{"b":true}]`)}}
	}
	frontend, cart := resource("frontend"), resource("cart")
	id, _ := traces.ParseTraceID(traceID)
	spans := []telemetry.Span{
		{SpanID: telemetry.SpanID{7: 1}, Name: "GET /cart", Kind: telemetry.SpanKindServer, Start: begin * second, Duration: second, Resource: frontend,
			Attributes: []telemetry.Attribute{{Key: "http.status_code", Value: telemetry.IntValue(500)}, {Key: "http.url", Value: str("http://shop/cart")}, {Key: "ratio", Value: telemetry.FloatValue(0.5)}, {Key: "cached", Value: telemetry.BoolValue(false)}},
			Status:     telemetry.StatusError, StatusMessage: "boom"},
		{SpanID: telemetry.SpanID{7: 2}, ParentID: telemetry.SpanID{7: 1}, Name: "list", Kind: telemetry.SpanKindServer, Start: begin*second + 5, Duration: second / 2, Resource: cart,
			Scope:  telemetry.Scope{Name: "lib", Version: "1.0"},
			Events: []telemetry.SpanEvent{{Time: begin*second + 9, Name: "exception", Attributes: []telemetry.Attribute{{Key: "exception.type", Value: str("io")}}}},
			Links:  []telemetry.SpanLink{{TraceID: telemetry.TraceID{15: 9}, SpanID: telemetry.SpanID{7: 9}}}},
	}
	for i := range spans {
		spans[i].TraceID = id
	}
	return append(spans, telemetry.Span{TraceID: telemetry.TraceID{15: 0xab}, SpanID: telemetry.SpanID{7: 1}, Name: "tick", Start: (begin + 60) * second, Duration: 1000,
		Resource: resource("clock"), Attributes: []telemetry.Attribute{{Key: "http.status_code", Value: telemetry.IntValue(200)}}})
}

// serve starts the API with the shop's spans of a fresh tenant.
func serve(t *testing.T) (get func(path string, header ...string) (int, string)) {
	t.Helper()
	tenant := enginetest.Tenant(t)
	cfg := traces.DefaultConfig()
	cfg.Limits = traces.Limits{}
	w := traces.NewWriter(cfg, enginetest.Client(t), traces.WriterOptions{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	if _, err := w.WriteSpans(ctx, tenant, shop()); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mux := server.NewMux(server.MuxOptions{})
	reader := traces.NewReader(cfg.Query, enginetest.Client(t), func() time.Time { return time.Unix(begin+120, 0) })
	New(reader, "test").Register(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return func(path string, header ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Scope-OrgID", tenant)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
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

// pretty indents JSON and hides what depends on the engine.
func pretty(t *testing.T, body string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	delete(v, "metrics")
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func TestAnswersGolden(t *testing.T) {
	get := serve(t)
	var b bytes.Buffer
	for _, path := range []string{
		"/tempo/api/traces/" + traceID,
		"/tempo/api/v2/traces/" + strings.ToUpper(traceID) + "?start=1699999000&end=1700009000",
		"/tempo/api/v2/traces/" + traceID + "?q=" + url.QueryEscape(`{ resource.service.name = "cart" }`) + "&keep_hierarchy=false",
		"/tempo/api/v2/traces/ab",
		"/tempo/api/search?q=" + url.QueryEscape(`{ status = error && .http.status_code > 400 } | select(span.cached)`),
		"/tempo/api/search?q=" + url.QueryEscape(`{ } | by(resource.service.name) | count() > 0`) + "&start=1700000000&end=1700000010&spss=1&limit=5",
		"/tempo/api/search?tags=" + url.QueryEscape(`service.name=FRONT http.url="shop"`),
		"/tempo/api/search?tags=" + url.QueryEscape(`http.status_code=500`) + "&minDuration=1s&maxDuration=2s",
		"/tempo/api/search/tags",
		"/tempo/api/search/tags?scope=span",
		"/tempo/api/v2/search/tags?q=" + url.QueryEscape(`{ resource.service.name = "frontend" && span.x = }`),
		"/tempo/api/search/tag/service.name/values",
		"/tempo/api/search/tag/name/values",
		"/tempo/api/v2/search/tag/.service.name/values",
		"/tempo/api/v2/search/tag/span.http.status_code/values",
		"/tempo/api/v2/search/tag/resource.process.pid/values?q=" + url.QueryEscape(`{ status = error }`),
		"/tempo/api/v2/search/tag/name/values?q=" + url.QueryEscape(`{ resource.service.name = "cart" }`),
		"/tempo/api/v2/search/tag/status/values",
		"/tempo/api/v2/search/tag/event.exception.type/values",
		"/tempo/api/v2/search/tag/rootServiceName/values",
		"/tempo/api/metrics/query_range?start=1700000000&end=1700000120&step=60s&q=" + url.QueryEscape(`{ status != ok } | rate() by(resource.service.name, status) with(sample=true)`),
		"/tempo/api/metrics/query_range?start=1700000000&end=1700000120&step=60&q=" + url.QueryEscape(`{ } | quantile_over_time(duration, 0.5, 1) by(.process.pid)`),
		"/tempo/api/metrics/query_range?start=1700000000&end=1700000120&step=60&q=" + url.QueryEscape(`{ nestedSetParent<0 && true } | histogram_over_time(duration)`),
		"/tempo/api/metrics/query_range?start=1700000000&end=1700000120&step=60&q=" + url.QueryEscape(`{ } | max_over_time(span.http.status_code)`),
		"/tempo/api/metrics/query?start=1700000000&end=1700000120&q=" + url.QueryEscape(`{ } | count_over_time() by(kind)`),
	} {
		status, body := get(path)
		if status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
			continue
		}
		b.WriteString("== " + path + "\n" + pretty(t, body))
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

func TestProtobuf(t *testing.T) {
	get := serve(t)
	status, body := get("/tempo/api/traces/"+traceID, "Accept", "application/protobuf")
	var v1, v2 tracepb.TracesData
	if err := proto.Unmarshal([]byte(body), &v1); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	_, body = get("/tempo/api/v2/traces/"+traceID, "Accept", "application/protobuf")
	num, typ, n := protowire.ConsumeTag([]byte(body))
	inner, _ := protowire.ConsumeBytes([]byte(body)[n:])
	if err := proto.Unmarshal(inner, &v2); err != nil || num != 1 || typ != protowire.BytesType {
		t.Fatal(num, typ, err)
	}
	if !proto.Equal(&v1, &v2) || len(v1.ResourceSpans) != 2 {
		t.Errorf("%v and %v", &v1, &v2)
	}
	s := v1.ResourceSpans[1].ScopeSpans[0].Spans[0]
	if s.Name != "list" || len(s.Events) != 1 || len(s.Links) != 1 || s.EndTimeUnixNano-s.StartTimeUnixNano != uint64(second/2) {
		t.Errorf("%v", s)
	}
}

func TestHealth(t *testing.T) {
	get := serve(t)
	for path, want := range map[string]string{"/tempo/api/echo": "echo", "/tempo/ready": "ready\n", "/tempo/api/status/buildinfo": `"version":"2.`} {
		if status, body := get(path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestErrors(t *testing.T) {
	get := serve(t)
	for path, want := range map[string]string{
		"/tempo/api/traces/ff":                                                             "404 trace not found: 000000000000000000000000000000ff",
		"/tempo/api/v2/traces/ff":                                                          "404 trace not found",
		"/tempo/api/traces/xyz":                                                            "400 trace id \"xyz\" is not hexadecimal",
		"/tempo/api/traces/" + traceID + "?start=5&end=3":                                  "400 http parameter start must be before end",
		"/tempo/api/search?q=%7B":                                                          "400 invalid TraceQL query: TraceQL 1:2",
		"/tempo/api/search?q=%7B%7D&tags=a%3Db":                                            "400 can't specify tags and q",
		"/tempo/api/search?q=%7B%7D&limit=0":                                               "400 limit of 0",
		"/tempo/api/search?q=%7B%7D&limit=x":                                               "400 invalid limit",
		"/tempo/api/search?q=%7B%7D&limit=1000000":                                         "max_traces",
		"/tempo/api/search?q=%7B%7D&start=x":                                               "400 start is \"x\"",
		"/tempo/api/search?tags=a":                                                         "400 invalid tags",
		"/tempo/api/search?tags=a%3Db+a%3Dc":                                               "400 invalid tags: tag a has been set twice",
		"/tempo/api/search?tags=&minDuration=1":                                            "400 invalid minDuration",
		"/tempo/api/search?q=%7B%7D+%7C+rate()":                                            "400 {} | rate() is a metrics query",
		"/tempo/api/metrics/query_range?q=%7B%7D":                                          "400 { } is no metrics query",
		"/tempo/api/metrics/query_range?q=%7B%7D+%7C+rate()&step=x":                        "400 invalid step",
		"/tempo/api/metrics/query_range?q=%7B%7D+%7C+rate()&start=0&end=1700000000&step=1": "400 1700000000 steps",
		"/tempo/api/metrics/query?q=" + url.QueryEscape("{ rootName = \"x\" } | rate()"):   "422 ",
		"/tempo/api/search/tags?scope=x":                                                   "400 invalid scope: x",
		"/tempo/api/v2/search/tag/x/values":                                                "400 invalid tag name",
		"/tempo/api/v2/search/tag/span.x":                                                  "404",
		"/tempo/api/v2/traces/" + traceID + "?q=%7B%7D+%3E":                                "400 TraceQL",
	} {
		status, body := get(path)
		if got := fmt.Sprint(status, " ", body); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestTenantsAreApart(t *testing.T) {
	get := serve(t)
	other := enginetest.Tenant(t)
	for _, path := range []string{"/tempo/api/traces/" + traceID, "/tempo/api/v2/traces/" + traceID} {
		if status, _ := get(path, "X-Scope-OrgID", other); status != 404 {
			t.Errorf("%s: another tenant gets %d", path, status)
		}
	}
	for _, path := range []string{"/tempo/api/search?q=%7B%7D", "/tempo/api/v2/search/tag/.service.name/values", "/tempo/api/search/tags?scope=resource"} {
		if _, body := get(path, "X-Scope-OrgID", other); strings.Contains(body, "frontend") || strings.Contains(body, "process.pid") || strings.Contains(body, traceID) {
			t.Errorf("%s: another tenant gets %s", path, body)
		}
	}
}

func FuzzLogfmt(f *testing.F) {
	f.Add(`a=b c="d e"`)
	f.Fuzz(func(t *testing.T, s string) {
		tags, err := parseLogfmt(s)
		if err != nil {
			return
		}
		for _, tag := range tags {
			if _, err := query(url.Values{"tags": {s}}); err != nil && tag.key != "" && !strings.ContainsAny(tag.key, "\"") {
				t.Logf("%q: %v", s, err)
			}
		}
	})
}
