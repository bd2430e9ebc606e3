package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/telemetry"
)

func TestTraces(t *testing.T) {
	sink := &collectortest.Sink{}
	if _, err := newReceiver(sink).receive(t.Context(), tracesSignal, input(t, "traces.json"), true); err != nil {
		t.Fatal(err)
	}
	str, attr := telemetry.StringValue, func(k string, v telemetry.Value) telemetry.Attribute { return telemetry.Attribute{Key: k, Value: v} }
	id := telemetry.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	res, scope := []telemetry.Attribute{attr("service.name", str("cart"))}, telemetry.Scope{Name: "lib", Version: "1"}
	other := id
	other[0] = 0xff
	want := []telemetry.Span{{
		TraceID: id, SpanID: telemetry.SpanID{1, 2, 3, 4, 5, 6, 7, 8}, ParentID: telemetry.SpanID{8, 7, 6, 5, 4, 3, 2, 1},
		TraceState: "a=b", Flags: 257, Name: "GET /cart", Kind: telemetry.SpanKindServer, Start: 1e9, Duration: 500,
		Status: telemetry.StatusError, StatusMessage: "boom", Resource: res, Scope: scope,
		Attributes: []telemetry.Attribute{attr("n", telemetry.IntValue(1)), attr("f", telemetry.FloatValue(0.5)), attr("b", telemetry.BoolValue(true)),
			attr("raw", telemetry.JSONValue(`"AQI="`)), attr("list", telemetry.JSONValue(`["x"]`))},
		Events: []telemetry.SpanEvent{{Time: 1e9 + 100, Name: "exception", Attributes: []telemetry.Attribute{attr("exception.type", str("E"))}}},
		Links:  []telemetry.SpanLink{{TraceID: other, SpanID: telemetry.SpanID{0xff, 2, 3, 4, 5, 6, 7, 8}, Attributes: []telemetry.Attribute{attr("l", str("v"))}}},
	}, {TraceID: id, SpanID: telemetry.SpanID{2, 2, 3, 4, 5, 6, 7, 8}, Name: "clock", Start: 5, Resource: res, Scope: scope}}
	if got := sink.Spans(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestHTTP(t *testing.T) {
	for _, tc := range []struct {
		name, path, media, encoding, file string
		sink                              *collectortest.Sink
		status                            int
		want                              string
	}{
		{"json", "/v1/metrics", "application/json", "", "metrics.json", &collectortest.Sink{}, 200, "{}"},
		{"json with charset", "/v1/logs", "application/json; charset=utf-8", "", "logs.json", &collectortest.Sink{}, 200, "{}"},
		{"protobuf", "/v1/traces", "application/x-protobuf", "", "traces.json", &collectortest.Sink{}, 200, ""},
		{"gzip", "/otlp/v1/logs", "application/x-protobuf", "gzip", "logs.json", &collectortest.Sink{}, 200, ""},
		{"partial", "/v1/logs", "application/json", "", "logs.json", &collectortest.Sink{Reject: 1}, 200,
			`{"partialSuccess":{"errorMessage":"1 rejected (out_of_bounds): refused by the test","rejectedLogRecords":"1"}}`},
		{"partial protobuf", "/v1/traces", "application/x-protobuf", "", "traces.json", &collectortest.Sink{Reject: 1}, 200,
			"\n3\b\x01\x12/1 rejected (out_of_bounds): refused by the test"},
		{"all refused", "/v1/traces", "application/json", "", "traces.json", &collectortest.Sink{Reject: 2}, 400, `"message":"2 rejected (out_of_bounds): refused by the test"`},
		{"unavailable", "/v1/traces", "application/json", "", "traces.json", &collectortest.Sink{Err: errors.New("gone")}, 503, "gone"},
		{"too many", "/v1/metrics", "application/json", "", "metrics.json", &collectortest.Sink{Err: server.TooMany(time.Second, "limit x of 5")}, 429, "limit x of 5"},
		{"media type", "/v1/traces", "text/plain", "", "traces.json", &collectortest.Sink{}, 415, "text/plain"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			mux := server.NewMux(server.MuxOptions{})
			newReceiver(tc.sink).Register(mux)
			srv := httptest.NewServer(mux)
			defer srv.Close()
			body := input(t, tc.file)
			if strings.Contains(tc.media, "protobuf") {
				body = toProto(signal{name: server.Signal(strings.TrimSuffix(tc.file, ".json"))}, body)
			}
			if tc.encoding == "gzip" {
				var b bytes.Buffer
				z := gzip.NewWriter(&b)
				z.Write(body)
				z.Close()
				body = b.Bytes()
			}
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+tc.path, bytes.NewReader(body))
			req.Header.Set("Content-Type", tc.media)
			req.Header.Set("Content-Encoding", tc.encoding)
			req.Header.Set(server.TenantHeader, "blue")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tc.status || !strings.Contains(strings.ReplaceAll(string(text), `": "`, `":"`), tc.want) || tc.want == "" && len(text) > 0 {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, text, tc.status, tc.want)
			}
			if got := fmt.Sprint(tc.sink.Tenants()); tc.status != 415 && strings.Trim(got, "[blue ]") != "" {
				t.Errorf("tenants %s", got)
			}
		})
	}
}

func dial(t *testing.T, r *Receiver) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		return h(server.WithTenant(ctx, "blue"), req)
	}))
	r.RegisterGRPC(srv)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); srv.Stop(); <-done })
	return conn
}

func TestGRPC(t *testing.T) {
	for _, compression := range []string{"", "gzip", "zstd"} {
		t.Run("compression "+compression, func(t *testing.T) {
			var opts []grpc.CallOption
			if compression != "" {
				opts = append(opts, grpc.UseCompressor(compression))
			}
			sink := &collectortest.Sink{}
			conn := dial(t, newReceiver(sink))
			m, l, s := pmetricotlp.NewExportRequest(), plogotlp.NewExportRequest(), ptraceotlp.NewExportRequest()
			if err := errors.Join(m.UnmarshalJSON(input(t, "metrics.json")), l.UnmarshalJSON(input(t, "logs.json")), s.UnmarshalJSON(input(t, "traces.json"))); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := pmetricotlp.NewGRPCClient(conn).Export(t.Context(), m, opts...); err != nil {
					t.Fatal(err)
				}
				if _, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), l, opts...); err != nil {
					t.Fatal(err)
				}
				resp, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), s, opts...)
				if err != nil || resp.PartialSuccess().RejectedSpans() != 0 {
					t.Fatal(resp, err)
				}
			}
			if len(sink.Names()) < 8 || len(sink.Lines()) != 15 || len(sink.Spans()) != 6 || sink.Tenants()[0] != "blue" {
				t.Errorf("%d names, %d lines, %d spans, tenants %v", len(sink.Names()), len(sink.Lines()), len(sink.Spans()), sink.Tenants())
			}
		})
	}
}

func TestGRPCAnswers(t *testing.T) {
	s := ptraceotlp.NewExportRequest()
	if err := s.UnmarshalJSON(input(t, "traces.json")); err != nil {
		t.Fatal(err)
	}
	resp, err := ptraceotlp.NewGRPCClient(dial(t, newReceiver(&collectortest.Sink{Reject: 1}))).Export(t.Context(), s)
	if p := resp.PartialSuccess(); err != nil || p.RejectedSpans() != 1 || p.ErrorMessage() != "1 rejected (out_of_bounds): refused by the test" {
		t.Error(p, err)
	}
	for err, want := range map[error]codes.Code{
		errors.New("gone"):                      codes.Unavailable,
		server.TooMany(time.Second, "limit"):    codes.ResourceExhausted,
		server.Unavailable(time.Second, "full"): codes.Unavailable,
	} {
		_, got := ptraceotlp.NewGRPCClient(dial(t, newReceiver(&collectortest.Sink{Err: err}))).Export(t.Context(), s)
		if status.Code(got) != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
