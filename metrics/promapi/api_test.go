package promapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/metrics"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

func TestMain(m *testing.M) { enginetest.Main(m, metrics.Migrations()...) }

// start serves the API over a tenant that holds a little.
func start(t *testing.T) (base, tenant string, at time.Time) {
	t.Helper()
	client := enginetest.Client(t)
	cfg := metrics.DefaultConfig()
	w := metrics.NewWriter(cfg, client, metrics.WriterOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	store := metrics.NewStore(cfg.Query, client, w)
	engine := metrics.NewEngine(cfg.Query, store, metrics.EngineOptions{})
	mux := server.NewMux(server.MuxOptions{})
	New(cfg.Query, engine, store, Options{}).Register(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)

	at = time.Now().Truncate(time.Second)
	tenant = "api-" + enginetest.Tenant(t)
	var m telemetry.Metrics
	for _, job := range []string{"a", "b"} {
		s := telemetry.Series{Labels: labels.FromStrings("__name__", "http_requests_total", "job", job)}
		for i := range 20 {
			s.Samples = append(s.Samples, telemetry.Sample{T: at.UnixMilli() - int64(20-i)*15_000, V: float64(10 * i)})
		}
		s.Exemplars = []telemetry.Exemplar{{T: at.UnixMilli() - 15_000, V: 1, Labels: labels.FromStrings("trace_id", "abc")}}
		m.Series = append(m.Series, s)
	}
	m.Metadata = []telemetry.MetricMetadata{{Metric: "http_requests_total", Type: "counter", Help: "Requests."}}
	out, err := w.WriteMetrics(t.Context(), tenant, m)
	require.NoError(t, err)
	require.Empty(t, out.Rejected)
	return srv.URL, tenant, at
}

func get(t *testing.T, tenant, u string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	require.NoError(t, err)
	req.Header.Set(server.TenantHeader, tenant)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

func TestAPI(t *testing.T) {
	base, tenant, at := start(t)
	now, from := at.Format(time.RFC3339), at.Add(-5*time.Minute).Format(time.RFC3339)
	for _, tt := range []struct {
		name, path string
		params     url.Values
		status     int
		want       string
	}{
		{"instant", "/query", url.Values{"query": {"sum(rate(http_requests_total[2m])) > 1"}, "time": {now}}, 200, `"resultType":"vector","result":[{"metric":{}`},
		{"range", "/query_range", url.Values{"query": {"http_requests_total"}, "start": {from}, "end": {now}, "step": {"60"}}, 200, `"resultType":"matrix"`},
		{"labels", "/labels", nil, 200, `["__name__","job"]`},
		{"labels with matchers", "/labels", url.Values{"match[]": {`http_requests_total{job="a"}`}}, 200, `["__name__","job"]`},
		{"label values", "/label/job/values", nil, 200, `["a","b"]`},
		{"metric names", "/label/__name__/values", url.Values{"start": {from}, "end": {now}}, 200, `["http_requests_total"]`},
		{"label values with matchers", "/label/job/values", url.Values{"match[]": {`http_requests_total{job!="a"}`}}, 200, `["b"]`},
		{"label values, limited", "/label/job/values", url.Values{"limit": {"1"}}, 200, `results truncated due to limit`},
		{"series", "/series", url.Values{"match[]": {`{job=~"a|c"}`}}, 200, `[{"__name__":"http_requests_total","job":"a"}]`},
		{"exemplars", "/query_exemplars", url.Values{"query": {`http_requests_total{job="a"}`}, "start": {from}, "end": {now}}, 200, `"trace_id":"abc"`},
		{"metadata", "/metadata", nil, 200, `{"http_requests_total":[{"type":"counter","help":"Requests.","unit":""}]}`},
		{"buildinfo", "/status/buildinfo", nil, 200, `"version":"3.`},
		{"config", "/status/config", nil, 200, `"yaml"`},
		{"flags", "/status/flags", nil, 200, `success`},
		{"runtimeinfo", "/status/runtimeinfo", nil, 200, `goroutineCount`},
		{"cardinality", "/status/tsdb", nil, 200, `"numSeries":2`},
		{"rules", "/rules", nil, 200, `"groups":[]`},
		{"alerts", "/alerts", nil, 200, `"alerts":[]`},
		{"targets", "/targets", nil, 200, `"activeTargets"`},
		{"alertmanagers", "/alertmanagers", nil, 200, `success`},
		{"format", "/format_query", url.Values{"query": {"sum(a)by(b)"}}, 200, `sum by (b) (a)`},
		{"parse", "/parse_query", url.Values{"query": {"a+b"}}, 200, `binaryExpr`},
		{"self metrics", "/status/self_metrics", nil, 200, `success`},
		{"walreplay", "/status/walreplay", nil, 200, `success`},
		{"notifications", "/notifications", nil, 200, `success`},
		{"features", "/features", nil, 200, `success`},
		{"bad query", "/query", url.Values{"query": {"sum("}}, 400, `bad_data`},
		{"bad limit", "/metadata", url.Values{"limit": {"x"}}, 400, `limit must be a number`},
		{"too many points", "/query_range", url.Values{"query": {"a"}, "start": {"0"}, "end": {now}, "step": {"1"}}, 400, `exceeded maximum resolution`},
		{"admin", "/admin/tsdb/snapshot", nil, 405, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, prefix := range []string{"/api/v1", "/prometheus/api/v1"} {
				status, body := get(t, tenant, base+prefix+tt.path+"?"+tt.params.Encode())
				require.Equal(t, tt.status, status, body)
				require.Contains(t, body, tt.want)
			}
		})
	}
}

func TestTenantsAreApart(t *testing.T) {
	base, _, _ := start(t)
	_, body := get(t, "somebody-else", base+"/api/v1/series?match[]=http_requests_total")
	require.JSONEq(t, `{"status":"success","data":[]}`, body)
}

func TestPOST(t *testing.T) {
	base, tenant, _ := start(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/v1/query", strings.NewReader(url.Values{"query": {"1+1"}}.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set(server.TenantHeader, tenant)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer struct{ Data struct{ Result []any } }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	require.Equal(t, "2", answer.Data.Result[1])
}

func TestRemoteRead(t *testing.T) {
	base, tenant, at := start(t)
	body, err := (&prompb.ReadRequest{Queries: []*prompb.Query{{
		StartTimestampMs: at.Add(-time.Hour).UnixMilli(), EndTimestampMs: at.UnixMilli(),
		Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_EQ, Name: "job", Value: "a"}},
	}}}).Marshal()
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/v1/read", bytes.NewReader(snappy.Encode(nil, body)))
	require.NoError(t, err)
	req.Header.Set(server.TenantHeader, tenant)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, string(raw))
	raw, err = snappy.Decode(nil, raw)
	require.NoError(t, err)
	var answer prompb.ReadResponse
	require.NoError(t, answer.Unmarshal(raw))
	require.Len(t, answer.Results[0].Timeseries, 1)
	require.Len(t, answer.Results[0].Timeseries[0].Samples, 20)
}
