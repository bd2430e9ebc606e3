package legacy

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/collector/otlp"
	"github.com/watchfire/watchfire/telemetry"
)

func start(t *testing.T, c Config, sink *collectortest.Sink) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	counts := collector.NewMetrics(nil)
	receivers, err := New(t.Context(), Options{
		Config: c, Counts: counts, Logger: slog.New(slog.DiscardHandler),
		OTLP: otlp.New(otlp.Options{Config: otlp.DefaultConfig(), Identity: telemetry.DefaultIdentity(), Limits: collector.DefaultLimits(), Sinks: collector.Sinks{Spans: sink}, Counts: counts}),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, len(receivers))
	for _, r := range receivers {
		go func() { done <- r.Run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range receivers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestZipkin(t *testing.T) {
	addr, sink := freePort(t), &collectortest.Sink{}
	start(t, Config{Zipkin: addr, Tenant: "blue"}, sink)
	body := `[{"traceId":"0102030405060708090a0b0c0d0e0f10","id":"0102030405060708","name":"get /cart","kind":"SERVER","timestamp":1000000,"duration":500,"localEndpoint":{"serviceName":"cart"},"tags":{"a":"b"}}]`
	for i := 0; ; i++ {
		resp, err := http.Post("http://"+addr+"/api/v2/spans", "application/json", bytes.NewReader([]byte(body)))
		if err == nil {
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Fatalf("%d %s", resp.StatusCode, text)
			}
			break
		}
		if i > 500 {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	s := sink.Spans()
	if len(s) != 1 || s[0].Name != "get /cart" || s[0].Kind != telemetry.SpanKindServer || s[0].Duration != 500_000 || s[0].TraceID[15] != 16 {
		t.Fatalf("%+v", s)
	}
	if v, ok := telemetry.Lookup(s[0].Resource, "service.name"); !ok || v.String() != "cart" || sink.Tenants()[0] != "blue" {
		t.Errorf("%+v of %v", s[0].Resource, sink.Tenants())
	}
}

func TestJaegerListens(t *testing.T) {
	c := Config{Jaeger: JaegerConfig{GRPC: freePort(t), ThriftHTTP: freePort(t), ThriftCompact: freePort(t), ThriftBinary: freePort(t)}}
	start(t, c, &collectortest.Sink{})
	for i := 0; ; i++ {
		resp, err := http.Post("http://"+c.Jaeger.ThriftHTTP+"/api/traces", "application/vnd.apache.thrift.binary", strings.NewReader("nonsense"))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode/100 != 4 {
				t.Errorf("nonsense is answered with %d", resp.StatusCode)
			}
			return
		}
		if i > 500 {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestConfig(t *testing.T) {
	if (Config{}).parts() != nil {
		t.Error("receivers without addresses")
	}
	err := Config{Zipkin: "0.0.0.0:9411", Jaeger: JaegerConfig{GRPC: "x"}}.Validate()
	for _, want := range []string{"zipkin: 0.0.0.0:9411 can be reached by others", `jaeger.grpc: "x" is no address`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}
