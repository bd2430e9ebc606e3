package otlp

import (
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// tracesTranslator turns OTLP traces into spans.
type tracesTranslator struct{ limits collector.Limits }

func (t tracesTranslator) translate(td ptrace.Traces) (spans []telemetry.Span, out telemetry.Outcome) {
	check := recordChecker(t.limits)
	spans = make([]telemetry.Span, 0, td.SpanCount())
	for i := range td.ResourceSpans().Len() {
		rs := td.ResourceSpans().At(i)
		p := check.check(rs.Resource().Attributes(), "a resource")
		if !p.ok() {
			if n := countSpans(rs); n > 0 {
				out.Reject(p.reason, p.detail, n)
			}
			continue
		}
		res := attributes(rs.Resource().Attributes())
		for j := range rs.ScopeSpans().Len() {
			ss := rs.ScopeSpans().At(j)
			sc, p := spanScope(ss.Scope(), check)
			if !p.ok() && ss.Spans().Len() > 0 {
				out.Reject(p.reason, p.detail, ss.Spans().Len())
				continue
			}
			for k := range ss.Spans().Len() {
				s, p := t.span(ss.Spans().At(k), check)
				if !p.ok() {
					out.Reject(p.reason, p.detail, 1)
					continue
				}
				s.Resource, s.Scope = res, sc
				spans = append(spans, s)
			}
		}
	}
	return spans, out
}

func countSpans(rs ptrace.ResourceSpans) (n int) {
	for j := range rs.ScopeSpans().Len() {
		n += rs.ScopeSpans().At(j).Spans().Len()
	}
	return n
}

func spanScope(s pcommon.InstrumentationScope, check checker) (telemetry.Scope, problem) {
	if p := check.check(s.Attributes(), "a scope"); !p.ok() {
		return telemetry.Scope{}, p
	}
	if !utf8.ValidString(s.Name()) || !utf8.ValidString(s.Version()) {
		return telemetry.Scope{}, problem{reasonUTF8, "a scope's name or version is not valid UTF-8"}
	}
	return telemetry.Scope{Name: s.Name(), Version: s.Version(), Attributes: attributes(s.Attributes())}, problem{}
}

func (t tracesTranslator) span(in ptrace.Span, check checker) (telemetry.Span, problem) {
	if p := t.check(in, check); !p.ok() {
		return telemetry.Span{}, p
	}
	s := telemetry.Span{
		TraceID: telemetry.TraceID(in.TraceID()), SpanID: telemetry.SpanID(in.SpanID()), ParentID: telemetry.SpanID(in.ParentSpanID()),
		TraceState: in.TraceState().AsRaw(), Flags: in.Flags(), Name: in.Name(), Kind: spanKind(in.Kind()),
		Start: int64(in.StartTimestamp()), Duration: max(0, int64(in.EndTimestamp())-int64(in.StartTimestamp())),
		StatusMessage: in.Status().Message(), Attributes: attributes(in.Attributes()),
	}
	if c := in.Status().Code(); c == ptrace.StatusCodeOk || c == ptrace.StatusCodeError {
		s.Status = telemetry.StatusCode(c)
	}
	if n := in.Events().Len(); n > 0 {
		s.Events = make([]telemetry.SpanEvent, n)
		for i := range n {
			e := in.Events().At(i)
			s.Events[i] = telemetry.SpanEvent{Time: int64(e.Timestamp()), Name: e.Name(), Attributes: attributes(e.Attributes())}
		}
	}
	if n := in.Links().Len(); n > 0 {
		s.Links = make([]telemetry.SpanLink, n)
		for i := range n {
			l := in.Links().At(i)
			s.Links[i] = telemetry.SpanLink{
				TraceID: telemetry.TraceID(l.TraceID()), SpanID: telemetry.SpanID(l.SpanID()),
				TraceState: l.TraceState().AsRaw(), Attributes: attributes(l.Attributes()),
			}
		}
	}
	return s, problem{}
}

// spanKind is the same number in OTLP and in the vocabulary.
func spanKind(k ptrace.SpanKind) telemetry.SpanKind {
	if k < 0 || k > ptrace.SpanKindConsumer {
		return telemetry.SpanKindUnspecified
	}
	return telemetry.SpanKind(k)
}

func (t tracesTranslator) check(in ptrace.Span, check checker) problem {
	name := "span " + collector.Quote(in.Name())
	switch {
	case in.TraceID().IsEmpty() || in.SpanID().IsEmpty():
		return problem{reasonIDs, name + " has no trace id or no span id"}
	case collector.Exceeds(len(in.Name()), t.limits.MaxAttributeBytes):
		return problem{reasonTooLong, collector.Excess("bytes of the name of "+name, len(in.Name()), "collector.limits.max_attribute_bytes", t.limits.MaxAttributeBytes)}
	case collector.Exceeds(len(in.Status().Message()), t.limits.MaxAttributeBytes):
		return problem{reasonTooLong, collector.Excess("bytes of the status message of "+name, len(in.Status().Message()), "collector.limits.max_attribute_bytes", t.limits.MaxAttributeBytes)}
	case collector.Exceeds(in.Events().Len(), t.limits.MaxSpanEvents):
		return problem{reasonEvents, collector.Excess("events of "+name, in.Events().Len(), "collector.limits.max_span_events", t.limits.MaxSpanEvents)}
	case collector.Exceeds(in.Links().Len(), t.limits.MaxSpanEvents):
		return problem{reasonEvents, collector.Excess("links of "+name, in.Links().Len(), "collector.limits.max_span_events", t.limits.MaxSpanEvents)}
	case !utf8.ValidString(in.Name()) || !utf8.ValidString(in.Status().Message()) || !utf8.ValidString(in.TraceState().AsRaw()):
		return problem{reasonUTF8, "name, status or trace state of " + name + " is not valid UTF-8"}
	}
	if p := check.check(in.Attributes(), name); !p.ok() {
		return p
	}
	for i := range in.Events().Len() {
		e := in.Events().At(i)
		if p := check.check(e.Attributes(), "an event of "+name); !p.ok() {
			return p
		}
		if !utf8.ValidString(e.Name()) {
			return problem{reasonUTF8, "an event of " + name + " has a name that is not valid UTF-8"}
		}
	}
	for i := range in.Links().Len() {
		if p := check.check(in.Links().At(i).Attributes(), "a link of "+name); !p.ok() {
			return p
		}
	}
	return problem{}
}
