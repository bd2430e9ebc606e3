package traceql

import (
	"slices"
	"strings"
	"testing"

	"github.com/watchfire/watchfire/telemetry"
)

// shop is a trace: frontend(0) calls cart(1) and, by a client span (2), the
// database's pg(3); cart has two internal spans (4, 5), and 6 has lost its
// parent.
func shop() []telemetry.Span {
	str, num := telemetry.StringValue, telemetry.IntValue
	attrs := func(kv ...any) (out []telemetry.Attribute) {
		for i := 0; i < len(kv); i += 2 {
			out = append(out, telemetry.Attribute{Key: kv[i].(string), Value: kv[i+1].(telemetry.Value)})
		}
		return out
	}
	span := func(id, parent byte, service, name string, kind telemetry.SpanKind, start, duration int64) telemetry.Span {
		s := telemetry.Span{
			TraceID: telemetry.TraceID{15: 9}, SpanID: telemetry.SpanID{7: id}, Name: name, Kind: kind, Start: start * 1e6, Duration: duration * 1e6,
			Resource: attrs("service.name", str(service), "shared", str("resource"), "replicas", num(3)),
		}
		if parent > 0 {
			s.ParentID = telemetry.SpanID{7: parent}
		}
		return s
	}
	spans := []telemetry.Span{
		span(1, 0, "frontend", "GET /", telemetry.SpanKindServer, 0, 100),
		span(2, 1, "cart", "list", telemetry.SpanKindServer, 10, 50),
		span(3, 1, "frontend", "SELECT", telemetry.SpanKindClient, 65, 30),
		span(4, 3, "pg", "query", telemetry.SpanKindServer, 70, 20),
		span(5, 2, "cart", "load", telemetry.SpanKindInternal, 15, 10),
		span(6, 2, "cart", "render", telemetry.SpanKindInternal, 30, 5),
		span(7, 99, "lost", "orphan", telemetry.SpanKindInternal, 40, 1),
	}
	spans[0].Attributes = attrs("http.status_code", num(500), "ok", telemetry.BoolValue(false), "ratio", telemetry.FloatValue(0.5))
	spans[0].Status, spans[0].StatusMessage = telemetry.StatusError, "failed"
	spans[1].Attributes = attrs("http.status_code", num(200), "shared", str("span"), "ok", telemetry.BoolValue(true), "list", telemetry.JSONValue("[1]"))
	spans[4].Attributes = attrs("http.status_code", str("500"))
	spans[4].Events = []telemetry.SpanEvent{{Time: 16e6, Name: "exception", Attributes: attrs("type", str("io"))}, {Time: 17e6, Name: "retry"}}
	spans[5].Links = []telemetry.SpanLink{{TraceID: telemetry.TraceID{15: 8}, SpanID: telemetry.SpanID{7: 3}, Attributes: attrs("why", str("batch"))}}
	spans[5].Scope = telemetry.Scope{Name: "lib", Version: "2", Attributes: attrs("x", num(1))}
	return spans
}

// run shows what a query selects of the shop: span indexes, spansets apart.
func run(t *testing.T, query string) string {
	t.Helper()
	q, err := Parse(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var sets []string
	for _, s := range q.Eval(NewTrace(shop()), nil) {
		var b strings.Builder
		for _, i := range s.Spans {
			b.WriteByte('0' + byte(i))
		}
		for _, a := range s.Attributes {
			b.WriteString(" " + a.Name + "=" + a.Value.Text())
		}
		sets = append(sets, b.String())
	}
	return strings.Join(sets, ", ")
}

func TestEval(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"{ }", "0123456"},
		{"{ false }", ""},
		{`{ name = "list" }`, "1"},
		{`{ name =~ ".*r.*" }`, "356"},
		{`{ name =~ "r" }`, ""},
		{`{ name !~ "[a-z]+" }`, "02"},
		{`{ resource.service.name = "cart" }`, "145"},
		{`{ .service.name != "cart" }`, "0236"},
		{`{ .shared = "span" }`, "1"},
		{`{ .shared = "resource" }`, "023456"},
		{`{ span.shared != nil }`, "1"},
		{`{ span.shared = nil }`, "023456"},
		{"{ .http.status_code = 500 }", "0"},
		{`{ .http.status_code = "500" }`, "4"},
		{"{ .http.status_code != 500 }", "1"},
		{"{ !(.http.status_code = 500) }", "123456"},
		{"{ .http.status_code > 199.5 }", "01"},
		{"{ .ratio = 0.5 }", "0"},
		{"{ .ok }", "1"},
		{"{ !.ok }", "0"},
		{"{ .ok = false }", "0"},
		{"{ .list != nil && .list != 1 }", ""},
		{"{ duration >= 30ms && kind = server }", "01"},
		{"{ status = error || statusMessage = \"failed\" }", "0"},
		{"{ duration * 2 > 150ms }", "0"},
		{"{ .http.status_code + 1 = 501 }", "0"},
		{"{ .replicas / 2 = 1.5 && .replicas % 2 = 1 && .replicas ^ 2 = 9 }", "0123456"},
		{"{ span:childCount = 2 }", "01"},
		{`{ rootName = "GET /" && rootServiceName = "frontend" }`, "0123456"},
		{"{ traceDuration = 100ms }", "0123456"},
		{`{ span:id = "0000000000000005" }`, "4"},
		{`{ span:parentID = "0000000000000002" }`, "45"},
		{`{ trace:id = "00000000000000000000000000000009" && name = "load" }`, "4"},
		{`{ event:name = "retry" }`, "4"},
		{`{ event:name != "retry" }`, "4"},
		{"{ event:timeSinceStart = 1ms }", "4"},
		{`{ event.type = "io" }`, "4"},
		{`{ link.why = "batch" && link:spanID = "0000000000000003" }`, "5"},
		{`{ instrumentation:name = "lib" && instrumentation:version = "2" && instrumentation.x = 1 }`, "5"},
		{"{ nestedSetParent < 0 }", "0"},
		{"{ nestedSetParent = 0 }", "6"},
		{"{ nestedSetLeft = 1 && nestedSetRight = 12 }", "0"},
		{`{ parent.service.name = "frontend" }`, "123"},
		{`{ parent.http.status_code = 500 }`, "12"},
		{`{ name = "list" } && { name = "load" }`, "14"},
		{`{ name = "list" } && { name = "none" }`, ""},
		{`{ name = "list" } || { name = "none" }`, "1"},
		{`{ name = "list" } > { }`, "45"},
		{`{ } > { name = "list" }`, "1"},
		{`{ name = "GET /" } >> { kind = internal }`, "45"},
		{`{ name = "load" } << { }`, "01"},
		{`{ name = "load" } < { }`, "1"},
		{`{ name = "load" } ~ { }`, "5"},
		{`{ name = "list" } !> { kind = internal }`, "6"},
		{`{ name = "list" } &> { name = "load" }`, "14"},
		{`{ kind = server } &>> { kind = server }`, "013"},
		{`{ name = "load" } !~ { kind = internal }`, "46"},
		{"{ } | count() > 6", "0123456 count()=7"},
		{"{ kind = server } | count() > 6", ""},
		{"{ kind = server } | avg(duration) > 50ms", "013 avg(duration)=56.666666ms"},
		{"{ } | max(duration) - min(duration) = 99ms", "0123456 max(duration)=100ms min(duration)=1ms"},
		{"{ } | sum(.http.status_code) = 700", "0123456 sum(.http.status_code)=700"},
		{"{ } | max(.missing) > 0", ""},
		{"{ } | by(resource.service.name) | count() > 1", "02 by(resource.service.name)=frontend count()=2, 145 by(resource.service.name)=cart count()=3"},
		{"{ } | by(kind) | { status = error } | coalesce()", "0"},
		{"{ kind = server } | { duration < 60ms }", "13"},
		{`({ kind = server } | count() > 2) && { name = "load" }`, "0134"},
		{"{ } | select(.a)", "0123456"},
	} {
		if got := run(t, c.query); got != c.want {
			t.Errorf("%s: got %q, want %q", c.query, got, c.want)
		}
	}
}

func TestCircularParents(t *testing.T) {
	spans := []telemetry.Span{
		{SpanID: telemetry.SpanID{1}, ParentID: telemetry.SpanID{2}, Name: "a"},
		{SpanID: telemetry.SpanID{2}, ParentID: telemetry.SpanID{1}, Name: "b"},
		{SpanID: telemetry.SpanID{3}, ParentID: telemetry.SpanID{3}, Name: "c"},
	}
	for _, query := range []string{"{ } >> { }", "{ } << { }", "{ } ~ { }", "{ nestedSetLeft > 0 }", "{ } !>> { }"} {
		q, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		q.Eval(NewTrace(slices.Clone(spans)), nil) // must end
	}
}
