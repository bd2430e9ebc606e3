package logs

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/grafana/loki/v3/pkg/loghttp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

// lokiServer serves the API to a tenant.
type lokiServer struct {
	*httptest.Server
	tenant string
}

func serve(t *testing.T) lokiServer {
	t.Helper()
	testWriter(t)
	mux := server.NewMux(server.MuxOptions{})
	NewAPI(testEngine(t), shared.tail, "test").Register(mux)
	s := lokiServer{httptest.NewServer(mux), enginetest.Tenant(t)}
	t.Cleanup(s.Close)
	return s
}

func (s lokiServer) get(t *testing.T, path string, params ...string) (int, string) {
	t.Helper()
	v := url.Values{}
	for i := 0; i < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path+"?"+v.Encode(), nil)
	require.NoError(t, err)
	req.Header.Set("X-Scope-OrgID", s.tenant)
	resp, err := s.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func (s lokiServer) fill(t *testing.T) (start, end string) {
	t.Helper()
	a := lines(labels.FromStrings("app", "a", "env", "prod"), `{"level":"error","ms":12}`, "took=5ms user=42", "plain")
	a.Records[1].Metadata = attrs("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736")
	write(t, s.tenant, a, lines(labels.FromStrings("app", "b", "env", "dev", "id", "17"), "hello"))
	return fmt.Sprint(epoch.UnixNano()), fmt.Sprint(epoch.Add(time.Minute).UnixNano())
}

// The answers are Loki's, byte for byte but for times taken.
func TestAPIAnswers(t *testing.T) {
	s := serve(t)
	start, end := s.fill(t)
	rng := []string{"start", start, "end", end}
	for _, c := range []struct {
		path   string
		params []string
		want   string
	}{
		{"/loki/api/v1/labels", rng, `{"status":"success","data":["app","env","id"]}`},
		{"/loki/api/v1/labels", append([]string{"query", `{app="a"}`}, rng...), `{"status":"success","data":["app","env"]}`},
		{"/loki/api/v1/label/app/values", rng, `{"status":"success","data":["a","b"]}`},
		{"/loki/api/v1/label/app/values", append([]string{"query", `{env="dev"}`}, rng...), `{"status":"success","data":["b"]}`},
		{"/loki/api/v1/series", append([]string{"match[]", `{app="a"}`}, rng...), `{"status":"success","data":[{"app":"a","env":"prod"}]}`},
		{"/loki/api/v1/index/stats", append([]string{"query", `{app="a"}`}, rng...), `{"streams":1,"chunks":1,"bytes":46,"entries":3}`},
		{"/loki/api/v1/detected_labels", rng, `{"detectedLabels":[{"label":"app","cardinality":2},{"label":"env","cardinality":2}]}`},
		{"/loki/api/v1/detected_field/user/values", append([]string{"query", `{app="a"}`}, rng...), `{"limit":1000,"values":["42"]}`},
		{"/loki/api/v1/patterns", append([]string{"query", `{app="a"}`}, rng...), `{"status":"success","data":[]}`},
		{"/loki/api/v1/format_query", []string{"query", `{app="a"}|="x"`}, `{"status":"success","data":"{app=\"a\"} |= \"x\""}`},
	} {
		code, body := s.get(t, c.path, c.params...)
		require.Equal(t, http.StatusOK, code, "%s: %s", c.path, body)
		require.JSONEq(t, c.want, body, c.path) // objects have no order
	}
	_, body := s.get(t, "/loki/api/v1/detected_fields", append([]string{"query", `{app="a"}`}, rng...)...)
	golden(t, "detected_fields.json", body)
	_, body = s.get(t, "/loki/api/v1/index/volume", append([]string{"query", `{app=~".+"}`}, rng...)...)
	require.Contains(t, body, `"resultType":"vector","result":[{"metric":{"app":"a"},"value":[1772366460,"46"]},{"metric":{"app":"b"},"value":[1772366460,"5"]}]`)
	_, body = s.get(t, "/loki/api/v1/index/volume_range", append([]string{"query", `{app="a"}`, "step", "1"}, rng...)...)
	require.Contains(t, body, `"resultType":"matrix","result":[{"metric":{"app":"a"},"values":[[1772366400,"25"],[1772366401,"16"],[1772366402,"5"]]}]`)
}

// What logcli decodes with.
func TestQueriesDecodeAsLogcliDoes(t *testing.T) {
	s := serve(t)
	start, end := s.fill(t)
	decode := func(params ...string) loghttp.QueryResponse {
		code, body := s.get(t, "/loki/api/v1/query_range", append(params, "start", start, "end", end)...)
		require.Equal(t, http.StatusOK, code, body)
		var q loghttp.QueryResponse
		require.NoError(t, q.UnmarshalJSON([]byte(body)), body)
		return q
	}
	q := decode("query", `{app="a"} |= "user"`)
	streams := q.Data.Result.(loghttp.Streams)
	require.Len(t, streams, 1)
	require.Equal(t, loghttp.LabelSet{"app": "a", "env": "prod", "detected_level": "unknown", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}, streams[0].Labels)
	require.Equal(t, []loghttp.Entry{{Timestamp: epoch.Add(time.Second).Local(), Line: "took=5ms user=42"}}, streams[0].Entries)
	require.Positive(t, q.Data.Statistics.Summary.TotalBytesProcessed)
	require.EqualValues(t, 1, q.Data.Statistics.Summary.TotalEntriesReturned)

	q = decode("query", `sum by (app) (count_over_time({app=~".+"}[1m]))`, "step", "30")
	matrix := q.Data.Result.(loghttp.Matrix)
	require.Len(t, matrix, 2)
	require.Equal(t, "{app=\"a\"}", matrix[0].Metric.String())
	require.Equal(t, "3", matrix[0].Values[1].Value.String())
}

func TestCategorizedLabels(t *testing.T) {
	s := serve(t)
	start, end := s.fill(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/loki/api/v1/query_range?"+url.Values{"query": {`{app="a"} | logfmt | user="42"`}, "start": {start}, "end": {end}}.Encode(), nil)
	require.NoError(t, err)
	req.Header.Set("X-Scope-OrgID", s.tenant)
	req.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	resp, err := s.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var body struct {
		Data struct {
			EncodingFlags []string
			Result        json.RawMessage
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
	require.Equal(t, []string{"categorize-labels"}, body.Data.EncodingFlags)
	require.JSONEq(t, `[{"stream":{"app":"a","env":"prod"},"values":[["1772366401000000000","took=5ms user=42",
		{"structuredMetadata":{"detected_level":"unknown","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"},"parsed":{"took":"5ms","user":"42"}}]]}]`, string(body.Data.Result))
}

func TestErrorsAreTold(t *testing.T) {
	s := serve(t)
	for query, want := range map[string]string{
		`{app="a"`:                         "parse error at line 1, col 9: syntax error",
		`{app="a"} | line_format "{{"`:     "line_format",
		`{}`:                               "queries require at least one regexp or equality matcher",
		`{app=~".*"}`:                      "at least one regexp or equality matcher",
		`sum(rate({app="a"} | json [1m])`:  "parse error",
		`rate({app="a"} | x="1" |= [5m] )`: "parse error",
	} {
		code, body := s.get(t, "/loki/api/v1/query_range", "query", query)
		require.Equal(t, http.StatusBadRequest, code, "%s: %s", query, body)
		require.Contains(t, body, want, query)
	}
	code, body := s.get(t, "/loki/api/v1/query_range", "query", `{app="a"}`, "limit", "5001")
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, body, "logs.query.max_entries")
	code, body = s.get(t, "/loki/api/v1/query_range", "query", `{app="a"}`, "start", "1", "end", "1772366460")
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, body, "exceed")
	code, body = s.get(t, "/loki/api/v1/query", "query", `{app="a"}`)
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, body, "log queries are not supported as an instant query type")
	code, body = s.get(t, "/loki/api/v1/format_query", "query", `{`)
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, body, `"status":"invalid-query"`)
	code, body = s.get(t, "/loki/ready")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "ready\n", body)
}

func TestTailSendsHistoryAndWhatComes(t *testing.T) {
	s := serve(t)
	now := time.Now()
	old := telemetry.LogStream{Labels: labels.FromStrings("app", "a"), Records: []telemetry.LogRecord{{Time: now.Add(-time.Second).UnixNano(), Line: "old x"}}}
	write(t, s.tenant, old)
	u := "ws" + strings.TrimPrefix(s.URL, "http") + "/loki/api/v1/tail?query=" + url.QueryEscape(`{app="a"} |= "x"`)
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), u, http.Header{"X-Scope-OrgID": {s.tenant}})
	require.NoError(t, err)
	resp.Body.Close()
	defer conn.Close()
	read := func() loghttp.TailResponse {
		var m loghttp.TailResponse
		_, data, err := conn.ReadMessage()
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &m), string(data))
		return m
	}
	m := read()
	require.Equal(t, "old x", m.Streams[0].Entries[0].Line)

	fresh := telemetry.LogStream{Labels: labels.FromStrings("app", "a"), Records: []telemetry.LogRecord{{Time: now.UnixNano(), Line: "new x"}, {Time: now.UnixNano(), Line: "new y"}}}
	other := telemetry.LogStream{Labels: labels.FromStrings("app", "b"), Records: []telemetry.LogRecord{{Time: now.UnixNano(), Line: "other x"}}}
	write(t, s.tenant, other, fresh, old) // old comes again and is not shown twice
	m = read()
	require.Len(t, m.Streams, 1)
	require.Len(t, m.Streams[0].Entries, 1)
	require.Equal(t, "new x", m.Streams[0].Entries[0].Line)
	require.Equal(t, "unknown", m.Streams[0].Labels["detected_level"])
}

func TestSlowTailLosesLinesCounted(t *testing.T) {
	tail := NewTail(TailConfig{MaxClients: 1, Buffer: 1}, nil)
	w, leave, err := tail.watch("t")
	require.NoError(t, err)
	_, _, err = tail.watch("t")
	require.ErrorContains(t, err, "logs.tail.max_clients")
	p := &plan{tenant: "t", rows: make([]row, 3)}
	tail.publish(p)
	tail.publish(p)
	require.EqualValues(t, 3, w.dropped.Load())
	leave()
	require.Zero(t, tail.count.Load())
}
