package traces

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	tenant := enginetest.Tenant(t)
	want := []telemetry.Span{fullSpan(), fullSpan(), fullSpan()}
	want[1].SpanID, want[1].Start = telemetry.SpanID{1}, want[0].Start+5
	want[1].Resource, want[1].Scope, want[1].Attributes = nil, telemetry.Scope{}, nil
	want[1].Events, want[1].Links = nil, nil
	want[2].Kind = telemetry.SpanKindClient // Zipkin's shared span: same id, other side
	want[2].Start += 9
	for i := range want[2].Events {
		want[2].Events[i].Time += 9
	}
	write(t, tenant, want...)
	got, stats, err := reader(t).Trace(t.Context(), tenant, want[0].TraceID, Range{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Spans, want) {
		t.Errorf("got\n%+v, want\n%+v", got.Spans, want)
	}
	if stats.Rows == 0 {
		t.Error("no rows read")
	}
}

func TestSpansBeyondDates(t *testing.T) {
	tenant := enginetest.Tenant(t)
	for _, start := range []int64{-1 << 62, -1, 0, 1 << 62} {
		s := telemetry.Span{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{7: 1}, Start: start}
		s.TraceID[8] = byte(start >> 56)
		write(t, tenant, s)
		got, _, err := reader(t).Trace(t.Context(), tenant, s.TraceID, Range{})
		if err != nil || len(got.Spans) == 0 {
			t.Errorf("start %d: %v, %d spans", start, err, len(got.Spans))
		}
	}
}

func TestDuplicatesShowOnce(t *testing.T) {
	tenant := enginetest.Tenant(t)
	write(t, tenant, fullSpan())
	write(t, tenant, fullSpan(), fullSpan())
	got, _, err := reader(t).Trace(t.Context(), tenant, fullSpan().TraceID, Range{})
	if err != nil || len(got.Spans) != 1 {
		t.Errorf("%v, %d spans, want 1", err, len(got.Spans))
	}
}

func TestTenantsAreApart(t *testing.T) {
	mine, other := enginetest.Tenant(t), enginetest.Tenant(t)
	write(t, mine, fullSpan())
	got, _, err := reader(t).Trace(t.Context(), other, fullSpan().TraceID, Range{})
	if err != nil || len(got.Spans) != 0 {
		t.Errorf("another tenant reads %d spans, %v", len(got.Spans), err)
	}
}

func TestTraceIsCutAtMaxSpans(t *testing.T) {
	tenant := enginetest.Tenant(t)
	spans := make([]telemetry.Span, 5)
	for i := range spans {
		spans[i] = fullSpan()
		spans[i].SpanID[0] = byte(i + 1)
	}
	write(t, tenant, spans...)
	r := reader(t)
	r.cfg.MaxSpans = 3
	got, _, err := r.Trace(t.Context(), tenant, spans[0].TraceID, Range{})
	if err != nil || len(got.Spans) != 3 || !got.Cut {
		t.Errorf("%v, %d spans, cut %v", err, len(got.Spans), got.Cut)
	}
}

func TestLimits(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	long := strings.Repeat("x", 300)
	attrs := func(n int) (out []telemetry.Attribute) {
		for i := range n {
			out = append(out, telemetry.Attribute{Key: string(rune('a' + i)), Value: telemetry.IntValue(1)})
		}
		return out
	}
	limits := Limits{MaxAge: time.Hour, MaxAhead: time.Minute, MaxAttributes: 4, MaxKey: 10, MaxValue: 100, MaxEvents: 1, MaxLinks: 1}
	for _, c := range []struct {
		reason, knob string
		change       func(*telemetry.Span)
	}{
		{reasonTraceID, "trace id", func(s *telemetry.Span) { s.TraceID = telemetry.TraceID{} }},
		{reasonSpanID, "span id", func(s *telemetry.Span) { s.SpanID = telemetry.SpanID{} }},
		{reasonDuration, "ends", func(s *telemetry.Span) { s.Duration = -1 }},
		{reasonTooOld, "max_age", func(s *telemetry.Span) { s.Start -= int64(2 * time.Hour) }},
		{reasonTooAhead, "max_ahead", func(s *telemetry.Span) { s.Start += int64(2 * time.Minute) }},
		{reasonAttributes, "max_attributes", func(s *telemetry.Span) { s.Attributes = attrs(5) }},
		{reasonAttributes, "max_attributes", func(s *telemetry.Span) { s.Resource = attrs(5) }},
		{reasonKey, "max_key", func(s *telemetry.Span) {
			s.Attributes = []telemetry.Attribute{{Key: long, Value: telemetry.IntValue(1)}}
		}},
		{reasonValue, "max_value", func(s *telemetry.Span) {
			s.Events = []telemetry.SpanEvent{{Attributes: []telemetry.Attribute{{Key: "k", Value: telemetry.StringValue(long)}}}}
		}},
		{reasonValue, "max_value", func(s *telemetry.Span) { s.Name = long }},
		{reasonEvents, "max_events", func(s *telemetry.Span) { s.Events = make([]telemetry.SpanEvent, 2) }},
		{reasonLinks, "max_links", func(s *telemetry.Span) { s.Links = make([]telemetry.SpanLink, 2) }},
	} {
		cfg := DefaultConfig()
		cfg.Limits = limits
		w := NewWriter(cfg, nil, WriterOptions{Now: func() time.Time { return now }})
		s := telemetry.Span{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{1}, Name: "op", Start: now.UnixNano(), Attributes: attrs(4)}
		good := s
		c.change(&s)
		var out telemetry.Outcome
		p := w.plan("t", []telemetry.Span{s, good}, &out)
		if len(p.rows) != 1 || len(out.Rejected) != 1 || out.Rejected[0].Reason != c.reason || !strings.Contains(out.Rejected[0].Detail, c.knob) {
			t.Errorf("%s: %d rows, %+v", c.reason, len(p.rows), out.Rejected)
		}
	}
}

func TestResourcesAreStoredOnceADay(t *testing.T) {
	w := NewWriter(DefaultConfig(), nil, WriterOptions{Limits: func(string) Limits { return Limits{} }})
	a, b := fullSpan(), fullSpan()
	b.Resource = a.Resource
	var out telemetry.Outcome
	if p := w.plan("t", []telemetry.Span{a, b, a}, &out); len(p.fresh) != 1 {
		t.Errorf("%d resources of one push, want 1", len(p.fresh))
	}
	b.Start += dayNanos
	p := w.plan("t", []telemetry.Span{a, b, a}, &out)
	if len(p.fresh) != 2 {
		t.Errorf("%d resources on two days, want 2", len(p.fresh))
	}
	for _, r := range p.fresh {
		w.known.add(resourceDay{"t", r.id, r.day})
	}
	if p := w.plan("t", []telemetry.Span{a, b}, &out); len(p.fresh) != 0 {
		t.Errorf("%d known resources are written again", len(p.fresh))
	}
	if p := w.plan("other", []telemetry.Span{a}, &out); len(p.fresh) != 1 {
		t.Error("another tenant has no resource row")
	}
}

func TestKnownForgetsTheOldest(t *testing.T) {
	k := newKnown(4)
	for i := range uint64(10) {
		k.add(resourceDay{"t", i, 0})
		k.has(resourceDay{"t", 0, 0})
	}
	if !k.has(resourceDay{"t", 9, 0}) || !k.has(resourceDay{"t", 0, 0}) || k.has(resourceDay{"t", 3, 0}) {
		t.Error("the young and the used must stay, the old go")
	}
	if n := len(k.young) + len(k.old); n > 4 {
		t.Errorf("%d resources are remembered, want at most 4", n)
	}
}

func TestParseTraceID(t *testing.T) {
	for in, want := range map[string]string{
		"1": "00000000000000000000000000000001", "ABCDEF0123456789": "0000000000000000abcdef0123456789",
		"2f3e0cee77ae5dc9c17ade3689eb2e54": "2f3e0cee77ae5dc9c17ade3689eb2e54",
	} {
		id, err := ParseTraceID(in)
		if err != nil || hexID(id) != want {
			t.Errorf("%s: %x, %v", in, id, err)
		}
	}
	for _, in := range []string{"", "xyz", strings.Repeat("a", 33)} {
		if _, err := ParseTraceID(in); err == nil {
			t.Errorf("%q is accepted", in)
		}
	}
}
