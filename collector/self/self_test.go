package self

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/telemetry"
)

// chatty logs about every write, with and without the write's context.
type chatty struct {
	collectortest.Sink
	log    *slog.Logger
	writes atomic.Int64
}

func (c *chatty) WriteLogs(ctx context.Context, tenant string, s []telemetry.LogStream) (telemetry.Outcome, error) {
	c.writes.Add(1)
	c.log.InfoContext(ctx, "stored within")
	c.log.Info("stored by a goroutine that does not know for whom")
	return c.Sink.WriteLogs(ctx, tenant, s)
}

func TestLogsAreStoredAndDoNotMultiply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logs := NewLogs(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}), slog.LevelInfo)
		log := slog.New(logs).With("room", "test").WithGroup("g")
		log.Warn("early", "n", 1) // before there is a sink
		log.Debug("too detailed")
		log.Info("not for the screen")
		sink := &chatty{log: log}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- logs.Run(ctx, LogOptions{Sink: sink, Tenant: "ops", Host: "h", Counts: collector.NewMetrics(nil)})
		}()
		time.Sleep(60 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		lines := sink.Lines()
		if lines[0] != "level=WARN msg=early room=test g.n=1" || lines[1] != `level=INFO msg="not for the screen" room=test` {
			t.Errorf("lines %q", lines[:2])
		}
		for _, l := range lines {
			if strings.Contains(l, "stored within") {
				t.Fatal("a line about storing lines was stored")
			}
		}
		if n := sink.writes.Load(); n > 65 { // what cannot be known for our own is at most one more a second
			t.Errorf("%d writes in a minute", n)
		}
		if s := sink.Streams()[0]; s.Labels.String() != `{host_name="h", service_name="watchfire", source="self"}` || s.Records[0].Severity != 13 {
			t.Errorf("%+v", s)
		}
		if strings.Contains(out.String(), "screen") || !strings.Contains(out.String(), "early") {
			t.Errorf("written %s", out.String())
		}
	})
}

func TestLogsAreBounded(t *testing.T) {
	logs := NewLogs(slog.DiscardHandler, slog.LevelInfo)
	log := slog.New(logs)
	for range 3 * burst {
		log.Info("again")
	}
	if n := len(logs.queue.lines); n < burst || n > burst+perSecond {
		t.Errorf("%d lines queued", n)
	}
	if logs.queue.dropped < burst {
		t.Errorf("%d dropped", logs.queue.dropped)
	}
}

// tracing makes a span of every write.
type tracing struct {
	collectortest.Sink
	tracer trace.Tracer
}

func (s *tracing) WriteSpans(ctx context.Context, tenant string, spans []telemetry.Span) (telemetry.Outcome, error) {
	_, span := s.tracer.Start(ctx, "write spans")
	defer span.End()
	return s.Sink.WriteSpans(ctx, tenant, spans)
}

func TestTraces(t *testing.T) {
	sink := &tracing{}
	traces := NewTraces(TraceOptions{Ratio: 1, Sink: sink, Tenant: "ops", Host: "h", Version: "v", Counts: collector.NewMetrics(nil)})
	sink.tracer = traces.Provider().Tracer("test")
	h := traces.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/fail") {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	for _, tc := range [][3]string{
		{"GET", "/api/traces/0102030405060708090a0b0c0d0e0f10", ""},
		{"GET", "/api/v1/fail", "00-ff02030405060708090a0b0c0d0e0f10-0102030405060708-01"},
		{"POST", "/api/v1/push", ""},
		{"GET", "/-/ready", ""},
		{"POST", "/v1/logs", "00-ee02030405060708090a0b0c0d0e0f10-0102030405060708-01"},
		{"GET", "/not/sampled", "00-dd02030405060708090a0b0c0d0e0f10-0102030405060708-00"},
	} {
		r := httptest.NewRequest(tc[0], tc[1], nil)
		r.Header.Set("traceparent", tc[2])
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := traces.Run(ctx); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sink.Spans() {
		got = append(got, s.Name)
	}
	if strings.Join(got, ", ") != "GET /api/traces/{id}, GET /api/v1/fail, POST /v1/logs" {
		t.Errorf("spans %q", got)
	}
	s := sink.Spans()[1]
	if s.Status != telemetry.StatusError || s.TraceID[0] != 0xff || s.ParentID[7] != 8 || s.Kind != telemetry.SpanKindServer {
		t.Errorf("%+v", s)
	}
	if v, _ := telemetry.Lookup(s.Attributes, "http.response.status_code"); v.Int() != 502 {
		t.Errorf("%+v", s.Attributes)
	}
	if v, _ := telemetry.Lookup(s.Resource, "service.name"); v.String() != "watchfire" || sink.Tenants()[0] != "ops" {
		t.Errorf("%+v", s.Resource)
	}
}
