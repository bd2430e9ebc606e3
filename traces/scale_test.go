package traces

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces/traceql"
)

// spanGenerator makes spans as 50 instrumented services in Kubernetes would:
// 12 attributes of the resource, 9 of the span. Of ten thousand spans, nine
// thousand are of traces of ten, the others are one trace of a thousand.
type spanGenerator struct {
	rnd       *rand.Rand
	resources [][]telemetry.Attribute
	trace     uint64
}

func newSpanGenerator(seed uint64) *spanGenerator {
	g := &spanGenerator{rnd: rand.New(rand.NewPCG(seed, 7)), trace: seed << 32}
	str := telemetry.StringValue
	for i := range 400 {
		service := fmt.Sprintf("service-%d", i%50)
		g.resources = append(g.resources, []telemetry.Attribute{
			{Key: "service.name", Value: str(service)}, {Key: "service.namespace", Value: str("shop")}, {Key: "service.version", Value: str("1.2.3")},
			{Key: "deployment.environment", Value: str("production")}, {Key: "k8s.cluster.name", Value: str("eu-1")}, {Key: "k8s.namespace.name", Value: str(fmt.Sprintf("ns-%d", i%7))},
			{Key: "k8s.pod.name", Value: str(fmt.Sprintf("%s-7d9f8b6c5-%04x", service, i))}, {Key: "k8s.node.name", Value: str(fmt.Sprintf("node-%d", i%8))},
			{Key: "telemetry.sdk.name", Value: str("opentelemetry")}, {Key: "telemetry.sdk.language", Value: str("go")}, {Key: "telemetry.sdk.version", Value: str("1.32.0")},
			{Key: "process.pid", Value: telemetry.IntValue(int64(i))},
		})
	}
	return g
}

// push makes the n spans of some traces of the same size, from start on.
func (g *spanGenerator) push(n, perTrace int, start int64) []telemetry.Span {
	str, num := telemetry.StringValue, telemetry.IntValue
	spans := make([]telemetry.Span, n)
	var previous telemetry.SpanID
	for i := range spans {
		if i%perTrace == 0 {
			g.trace++
			previous = telemetry.SpanID{}
		}
		s := &spans[i]
		// A multiplication spreads the ids over the key, as random ones are.
		binary.BigEndian.PutUint64(s.TraceID[:8], g.trace*0x9E3779B97F4A7C15)
		binary.BigEndian.PutUint64(s.TraceID[8:], g.trace*0xD1B54A32D192ED03)
		binary.BigEndian.PutUint64(s.SpanID[:], g.rnd.Uint64()|1)
		s.ParentID, previous = previous, s.SpanID
		r, op := g.rnd.IntN(len(g.resources)), g.rnd.IntN(40)
		route := fmt.Sprintf("/api/v1/service%d/op%d", r%50, op)
		s.Name, s.Kind = "GET "+route, telemetry.SpanKind(1+g.rnd.IntN(5))
		s.Start, s.Duration = start+g.rnd.Int64N(1e9), int64(g.rnd.ExpFloat64()*20e6)
		if g.rnd.IntN(100) == 0 {
			s.Status = telemetry.StatusError
		}
		s.Resource = g.resources[r]
		s.Scope = telemetry.Scope{Name: "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", Version: "0.58.0"}
		s.Attributes = []telemetry.Attribute{
			{Key: "http.request.method", Value: str("GET")}, {Key: "http.route", Value: str(route)},
			{Key: "http.response.status_code", Value: num([]int64{200, 200, 200, 404, 500}[g.rnd.IntN(5)])},
			{Key: "url.path", Value: str(route + "/" + strconv.Itoa(g.rnd.IntN(100_000)))}, {Key: "server.address", Value: str(fmt.Sprintf("service-%d.shop.svc", g.rnd.IntN(50)))},
			{Key: "server.port", Value: num(8080)}, {Key: "network.protocol.version", Value: str("1.1")},
			{Key: "user.id", Value: str("u" + strconv.Itoa(g.rnd.IntN(1_000_000)))}, {Key: "request.id", Value: str(fmt.Sprintf("%016x%016x", g.rnd.Uint64(), g.rnd.Uint64()))},
		}
	}
	return spans
}

// cpuOf is the CPU time of this process and its child, the engine.
func cpuOf(t *testing.T) (own, engine time.Duration) {
	pid := strconv.Itoa(os.Getpid())
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("needs /proc")
	}
	for _, e := range entries {
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if len(f) < 13 || e.Name() != pid && f[1] != pid {
			continue
		}
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		d := time.Duration(user+system) * 10 * time.Millisecond
		if e.Name() == pid {
			own = d
		} else {
			engine += d
		}
	}
	return own, engine
}

// TestScale prints what docs/adr/0006-span-layout.md says of the layout. It
// runs when WATCHFIRE_SPANS says how many spans to write.
func TestScale(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("WATCHFIRE_SPANS"))
	if n == 0 {
		t.Skip("set WATCHFIRE_SPANS=3000000 to measure")
	}
	const push = 1000
	cfg := DefaultConfig()
	cfg.Limits = Limits{}
	w := startWriter(t, cfg, WriterOptions{})
	tenant := enginetest.Tenant(t)
	var sample, big telemetry.Span

	// The writers are as many as make full batches. The spans are made beforehand, a few at a time, so that making them is
	// not measured.
	var took, own, engine time.Duration
	const writers, pushes = 32, 10
	round := writers * pushes * push
	n = (n + round - 1) / round * round
	for done := 0; done < n; done += round {
		var made [writers][][]telemetry.Span
		for i := range made {
			g := newSpanGenerator(uint64(done + i + 1))
			for j := range pushes {
				per := 10
				if j%10 == 9 {
					per = push
				}
				start := testTime + int64(done+(i*pushes+j)*push)*int64(30*time.Minute)/int64(n)
				made[i] = append(made[i], g.push(push, per, start))
			}
		}
		if done == 0 {
			sample, big = made[1][5][500], made[2][9][0]
		}
		o, e := cpuOf(t)
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range made {
			wg.Go(func() {
				for _, spans := range made[i] {
					if _, err := w.WriteSpans(t.Context(), tenant, spans); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		took += time.Since(begin)
		o2, e2 := cpuOf(t)
		own, engine = own+o2-o, engine+e2-e
	}
	t.Logf("ingest: %d spans in %v: %.0f/s, with %.2f cores; CPU per span: %.1f µs here, %.1f µs in the engine, merges so far included; %.0f spans per CPU-second",
		n, took.Round(time.Millisecond), float64(n)/took.Seconds(), (own+engine).Seconds()/took.Seconds(),
		own.Seconds()/float64(n)*1e6, engine.Seconds()/float64(n)*1e6, float64(n)/(own+engine).Seconds())

	r := reader(t)
	in := Range{testTime - 1, testTime + int64(time.Hour)}
	measure := func(what string, run func() (int, error)) {
		var best time.Duration
		var found int
		for range 7 {
			begin := time.Now()
			var err error
			if found, err = run(); err != nil {
				t.Error(err)
			}
			if d := time.Since(begin); best == 0 || d < best {
				best = d
			}
		}
		t.Logf("%s: %.1f ms, %d found", what, float64(best.Microseconds())/1000, found)
	}
	byID := func(id telemetry.TraceID) func() (int, error) {
		return func() (int, error) {
			tr, _, err := r.Trace(t.Context(), tenant, id, Range{})
			return len(tr.Spans), err
		}
	}
	client := enginetest.Client(t)
	questions := func() {
		measure("a trace of 1000 spans by id", byID(big.TraceID))
		measure("a trace of 10 spans by id", byID(sample.TraceID))
		measure("no trace", byID(telemetry.TraceID{1}))
		for _, query := range []string{
			`{ }`, `{ status = error }`, `{ status = error && duration > 200ms }`, `{ resource.service.name = "service-7" && span.http.response.status_code = 500 }`,
			`{ resource.k8s.pod.name = "service-7-7d9f8b6c5-0007" && status = error }`, `{ .http.route = "/api/v1/service7/op8" && duration > 100ms }`,
			`{ span.request.id = "` + sample.Attributes[8].Value.String() + `" }`, `{ span.request.id = "none" }`,
			`{ name = "GET /api/v1/service7/op8" } >> { status = error }`,
		} {
			q, err := traceql.Parse(query)
			if err != nil {
				t.Fatal(err)
			}
			measure(query, func() (int, error) {
				res, err := r.Search(t.Context(), tenant, Search{Query: q, In: in, Limit: 20})
				return len(res.Traces), err
			})
		}
		measure("edges", func() (int, error) {
			edges, _, err := r.Edges(t.Context(), tenant, in)
			return len(edges), err
		})
		measure("names of a span's tags", func() (int, error) {
			names, _, err := r.TagNames(t.Context(), tenant, traceql.ScopeSpan, in, nil, 0)
			return len(names), err
		})
	}
	questions()
	for _, table := range Tables() {
		if err := client.Exec(t.Context(), "OPTIMIZE TABLE "+table.Name+" FINAL"); err != nil {
			t.Error(err)
		}
		rows, err := client.Query(t.Context(), fmt.Sprintf("SELECT toUInt64(sum(bytes_on_disk)), toUInt64(sum(rows)) FROM system.parts WHERE active AND table = '%s'", table.Name))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var bytes, count uint64
			if err := rows.Scan(&bytes, &count); err != nil {
				t.Error(err)
			}
			t.Logf("%s: %d rows, %.1f bytes a span on disk, merged", table.Name, count, float64(bytes)/float64(n))
		}
		rows.Close()
	}
	o, e := cpuOf(t)
	t.Logf("CPU in all: %v here, %v in the engine", o, e)
	questions()
}
