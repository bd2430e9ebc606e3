package loki

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	lokipush "github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/telemetry"
)

const traceID = "0102030405060708090a0b0c0d0e0f10"

func request() *lokipush.PushRequest {
	return &lokipush.PushRequest{Streams: []lokipush.Stream{
		{Labels: `{job="cart", env="prod", empty=""}`, Entries: []lokipush.Entry{
			{Timestamp: time.Unix(1, 5), Line: "level=error one", StructuredMetadata: lokipush.LabelsAdapter{{Name: "trace_id", Value: traceID}, {Name: "a.b", Value: "c"}}},
			{Timestamp: time.Unix(-3, 0), Line: "two"},
		}},
		{Labels: `{service_name="x"}`, Entries: []lokipush.Entry{{Timestamp: time.Unix(2, 0), Line: "three ü"}}},
	}}
}

func want() []telemetry.LogStream {
	r := telemetry.LogRecord{Time: 1e9 + 5, Line: "level=error one", Metadata: []telemetry.Attribute{
		{Key: "a_b", Value: telemetry.StringValue("c")}, {Key: "trace_id", Value: telemetry.StringValue(traceID)},
	}}
	return []telemetry.LogStream{
		{Labels: labels.FromStrings("env", "prod", "job", "cart", "service_name", "cart"), Records: []telemetry.LogRecord{r, {Time: -3e9, Line: "two"}}},
		{Labels: labels.FromStrings("service_name", "x"), Records: []telemetry.LogRecord{{Time: 2e9, Line: "three ü"}}},
	}
}

func serve(t *testing.T, sink *collectortest.Sink) string {
	mux := server.NewMux(server.MuxOptions{})
	New(DefaultConfig(), sink, collector.DefaultLimits(), nil, collector.NewMetrics(nil)).Register(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

func post(t *testing.T, url, media, encoding string, body []byte) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Content-Encoding", encoding)
	req.Header.Set(server.TenantHeader, "blue")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text)), resp.Header
}

func TestPush(t *testing.T) {
	proto, _ := request().Marshal()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(present))
	z.Close()
	for _, tc := range []struct {
		name, path, media, encoding string
		body                        []byte
	}{
		{"protobuf", "/loki/api/v1/push", "application/x-protobuf", "", snappy.Encode(nil, proto)},
		{"protobuf with encoding", "/loki/api/v1/push", "application/x-protobuf", "snappy", snappy.Encode(nil, proto)},
		{"no content type", "/api/prom/push", "", "", snappy.Encode(nil, proto)},
		{"json", "/loki/api/v1/push", "application/json", "", []byte(present)},
		{"json gzip", "/loki/api/v1/push", "application/json; charset=utf-8", "gzip", zipped.Bytes()},
		{"old json", "/api/prom/push", "application/json", "", []byte(old)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sink := &collectortest.Sink{}
			if code, text, _ := post(t, serve(t, sink)+tc.path, tc.media, tc.encoding, tc.body); code != http.StatusNoContent || text != "" {
				t.Fatalf("%d %s", code, text)
			}
			if got := sink.Streams(); !reflect.DeepEqual(got, want()) {
				t.Errorf("got  %+v\nwant %+v", got, want())
			}
			if got := fmt.Sprint(sink.Tenants()); got != "[blue]" {
				t.Errorf("tenants %s", got)
			}
		})
	}
}

const present = `{"streams":[
 {"stream":{"job":"cart","env":"prod","empty":""},"values":[
  ["1000000005","level=error one",{"trace_id":"` + traceID + `","a.b":"c"}],["-3000000000","two"]]},
 {"stream":{"service_name":"x"},"values":[["2000000000","three ü"]]}], "more": [1]}`

const old = `{"streams":[
 {"labels":"{job=\"cart\", env=\"prod\"}","entries":[
  {"ts":"1970-01-01T00:00:01.000000005Z","line":"level=error one","structuredMetadata":{"trace_id":"` + traceID + `","a.b":"c"}},
  {"ts":"1969-12-31T23:59:57Z","line":"two"}]},
 {"labels":"{service_name=\"x\"}","entries":[{"ts":"1970-01-01T01:00:02+01:00","line":"three ü"}]}]}`

func TestBadStreamsAndLinesAreRefusedAndTheRestKept(t *testing.T) {
	line := func(s string) lokipush.Stream {
		return lokipush.Stream{Labels: `{job="a"}`, Entries: []lokipush.Entry{{Line: s}}}
	}
	many := lokipush.Stream{Labels: `{job="a"}`, Entries: []lokipush.Entry{{Line: "x"}}}
	for i := range 10_000 {
		many.Entries[0].StructuredMetadata = append(many.Entries[0].StructuredMetadata, lokipush.LabelAdapter{Name: fmt.Sprintf("k%d", i), Value: "v"})
	}
	var wide strings.Builder
	for i := range 100 {
		fmt.Fprintf(&wide, `l%d="v",`, i)
	}
	labelled := func(ls string) lokipush.Stream {
		return lokipush.Stream{Labels: ls, Entries: []lokipush.Entry{{Line: "x"}}}
	}
	for _, tc := range []struct {
		name string
		bad  lokipush.Stream
		want string
	}{
		{"no labels", labelled(`{}`), "1 rejected (missing_labels): error at least one label pair is required per stream"},
		{"labels", labelled(`{job=`), `1 rejected (invalid_labels): error parsing labels "{job=" with error`},
		{"metric name", labelled(`m{job="a"}`), "has a metric name"},
		{"twice", labelled(`{job="a",job="b"}`), "duplicate"},
		{"1 MB label", labelled(`{job="` + strings.Repeat("x", 1<<20) + `"}`), "exceed 1 MiB"},
		{"long label", labelled(`{job="` + strings.Repeat("x", 10_000) + `"}`), `bytes of label "job": 10000 exceeds the limit collector.limits.max_label_value_bytes of 8192`},
		{"100 labels", labelled("{" + wide.String() + "}"), "100 exceeds the limit collector.limits.max_stream_labels of 40"},
		{"1 MB line", line(strings.Repeat("x", 1<<20)), "bytes of a log line: 1048576 exceeds the limit collector.limits.max_line_bytes of 262144"},
		{"UTF-8", line("a\xffb"), `log line "a\xffb" is not valid UTF-8`},
		{"10,000 attributes", many, "structured metadata of a log line: 8192 exceeds the limit collector.limits.max_attributes of 512"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := request()
			req.Streams = append([]lokipush.Stream{tc.bad}, req.Streams...)
			body, err := req.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			sink := &collectortest.Sink{}
			code, text, _ := post(t, serve(t, sink)+"/loki/api/v1/push", "", "", snappy.Encode(nil, body))
			if code != http.StatusBadRequest || !strings.Contains(text, tc.want) {
				t.Errorf("%d %s", code, text)
			}
			if got := len(sink.Lines()); got != 3 {
				t.Errorf("%d lines stored, want 3", got)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	proto, _ := request().Marshal()
	tooMany := bytes.Repeat([]byte{0x12, 0}, 600_000)
	stream := append([]byte{0x0a, 0x80, 0x9f, 0x49}, tooMany...) // length 1,200,000
	for _, tc := range []struct {
		name, media string
		body        []byte
		err         error
		code        int
		want        string
	}{
		{"not snappy", "", []byte("hi"), nil, 400, "snappy"},
		{"truncated", "", snappy.Encode(nil, proto[:len(proto)-1]), nil, 400, "cannot parse the push"},
		{"unknown field", "", snappy.Encode(nil, []byte{0x18, 1}), nil, 204, ""},
		{"wrong wire type", "", snappy.Encode(nil, []byte{0x0d, 1, 2, 3, 4}), nil, 400, "field streams (1) has wire type 5, want 2"},
		{"bomb", "", snappy.Encode(nil, make([]byte, 80<<20)), nil, 413, "limit"},
		{"entries", "", snappy.Encode(nil, stream), nil, 413, "lines of the request exceed the limit collector.limits.max_records of 500000"},
		{"no JSON", "application/json", []byte("hello"), nil, 400, "cannot parse the push"},
		{"JSON cut off", "application/json", []byte(present[:100]), nil, 400, "cannot parse the push"},
		{"JSON and more", "application/json", []byte(present + "x"), nil, 400, "there is more after the JSON object"},
		{"no streams", "application/json", []byte(`{}`), nil, 400, `the JSON object has no "streams"`},
		{"number as time", "application/json", []byte(`{"streams":[{"stream":{"a":"b"},"values":[[1,"x"]]}]}`), nil, 400, "cannot parse the push"},
		{"text as time", "application/json", []byte(`{"streams":[{"stream":{"a":"b"},"values":[["now","x"]]}]}`), nil, 400, `want nanoseconds in a string, got "now"`},
		{"no line", "application/json", []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1"]]}]}`), nil, 400, "an entry needs a timestamp and a line"},
		{"four", "application/json", []byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","x",{},1]]}]}`), nil, 400, "more than three elements"},
		{"bad label name", "application/json", []byte(`{"streams":[{"stream":{"a.b":"c"},"values":[["1","x"]]}]}`), nil, 400, `label name "a.b" is not valid`},
		{"label is a number", "application/json", []byte(`{"streams":[{"stream":{"a":1},"values":[["1","x"]]}]}`), nil, 400, "cannot parse the push"},
		{"deep", "application/json", []byte(strings.Repeat(`{"a":`, 20_000)), nil, 400, "cannot parse the push"},
		{"content type", "app/", nil, nil, 400, "cannot parse content type"},
		{"unavailable", "", snappy.Encode(nil, proto), errors.New("gone"), 503, "gone"},
		{"too many", "", snappy.Encode(nil, proto), server.TooMany(time.Second, "limit x"), 429, "limit x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, text, _ := post(t, serve(t, &collectortest.Sink{Err: tc.err})+"/loki/api/v1/push", tc.media, "", tc.body)
			if code != tc.code || !strings.Contains(text, tc.want) {
				t.Errorf("%d %s, want %d %s", code, text, tc.code, tc.want)
			}
		})
	}
}

func FuzzProto(f *testing.F) {
	body, _ := request().Marshal()
	for i := range body {
		f.Add(body[:i])
	}
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		p := &push{cfg: DefaultConfig(), limits: collector.DefaultLimits()}
		if p.decodeProto(body) != nil {
			return
		}
		var want lokipush.PushRequest
		if want.Unmarshal(body) != nil {
			return
		}
		n := 0
		for _, s := range want.Streams {
			n += len(s.Entries)
		}
		if p.records != n {
			t.Errorf("%d records, want %d", p.records, n)
		}
	})
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(present))
	f.Add([]byte(old))
	f.Add([]byte(`{"streams":[{"stream":null,"values":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := &push{cfg: DefaultConfig(), limits: collector.DefaultLimits()}
		if p.decodeJSON(body) != nil {
			return
		}
		for _, s := range p.streams {
			if s.Labels.IsEmpty() || len(s.Records) == 0 {
				t.Errorf("stream %s of %d records", s.Labels, len(s.Records))
			}
		}
	})
}

func BenchmarkPush(b *testing.B) {
	req := &lokipush.PushRequest{Streams: []lokipush.Stream{{Labels: `{job="cart",env="prod",pod="cart-0"}`}}}
	for i := range 1000 {
		req.Streams[0].Entries = append(req.Streams[0].Entries, lokipush.Entry{Timestamp: time.Unix(int64(i), 0), Line: strings.Repeat("0123456789", 20)})
	}
	body, _ := req.Marshal()
	b.ReportAllocs()
	for b.Loop() {
		p := &push{cfg: DefaultConfig(), limits: collector.DefaultLimits()}
		if err := p.decodeProto(body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
