package tempo

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/watchfire/watchfire/telemetry"
)

// tracesData writes spans as OTLP, those of a resource and a scope together.
func tracesData(spans []telemetry.Span) *tracepb.TracesData {
	type scopeKey struct {
		resource      *telemetry.Attribute // of the shared slice; nil = no attributes
		name, version string
		attrs         *telemetry.Attribute
	}
	out := &tracepb.TracesData{}
	resources := map[*telemetry.Attribute]*tracepb.ResourceSpans{}
	scopes := map[scopeKey]*tracepb.ScopeSpans{}
	for i := range spans {
		s := &spans[i]
		rk := first(s.Resource)
		r, ok := resources[rk]
		if !ok {
			r = &tracepb.ResourceSpans{Resource: &resourcepb.Resource{Attributes: keyValues(s.Resource)}}
			resources[rk] = r
			out.ResourceSpans = append(out.ResourceSpans, r)
		}
		sk := scopeKey{rk, s.Scope.Name, s.Scope.Version, first(s.Scope.Attributes)}
		sc, ok := scopes[sk]
		if !ok {
			sc = &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: valid(s.Scope.Name), Version: valid(s.Scope.Version), Attributes: keyValues(s.Scope.Attributes)}}
			scopes[sk] = sc
			r.ScopeSpans = append(r.ScopeSpans, sc)
		}
		sc.Spans = append(sc.Spans, span(s))
	}
	return out
}

func first(attrs []telemetry.Attribute) *telemetry.Attribute {
	if len(attrs) == 0 {
		return nil
	}
	return &attrs[0]
}

func span(s *telemetry.Span) *tracepb.Span {
	out := &tracepb.Span{
		TraceId: s.TraceID[:], SpanId: s.SpanID[:], TraceState: valid(s.TraceState), Flags: s.Flags, Name: valid(s.Name),
		Kind: tracepb.Span_SpanKind(s.Kind), StartTimeUnixNano: uint64(s.Start), EndTimeUnixNano: uint64(s.Start + s.Duration),
		Attributes: keyValues(s.Attributes), Status: &tracepb.Status{Code: tracepb.Status_StatusCode(s.Status), Message: valid(s.StatusMessage)},
	}
	if !s.ParentID.IsZero() {
		out.ParentSpanId = s.ParentID[:]
	}
	for i := range s.Events {
		e := &s.Events[i]
		out.Events = append(out.Events, &tracepb.Span_Event{TimeUnixNano: uint64(e.Time), Name: valid(e.Name), Attributes: keyValues(e.Attributes)})
	}
	for i := range s.Links {
		l := &s.Links[i]
		out.Links = append(out.Links, &tracepb.Span_Link{TraceId: l.TraceID[:], SpanId: l.SpanID[:], TraceState: valid(l.TraceState), Attributes: keyValues(l.Attributes)})
	}
	return out
}

func keyValues(attrs []telemetry.Attribute) []*commonpb.KeyValue {
	if len(attrs) == 0 {
		return nil
	}
	out := make([]*commonpb.KeyValue, len(attrs))
	for i := range attrs {
		out[i] = &commonpb.KeyValue{Key: valid(attrs[i].Key), Value: anyValue(attrs[i].Value)}
	}
	return out
}

func anyValue(v telemetry.Value) *commonpb.AnyValue {
	switch v.Kind() {
	case telemetry.KindInt:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v.Int()}}
	case telemetry.KindFloat:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v.Float()}}
	case telemetry.KindBool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v.Bool()}}
	case telemetry.KindJSON:
		d := json.NewDecoder(bytes.NewReader([]byte(v.String())))
		d.UseNumber()
		var x any
		if d.Decode(&x) == nil {
			return fromJSON(x)
		}
	}
	return stringValue(v.String())
}

func stringValue(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(s)}}
}

func fromJSON(x any) *commonpb.AnyValue {
	switch x := x.(type) {
	case bool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: x}}
	case string:
		return stringValue(x)
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}
		}
		f, _ := x.Float64()
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: f}}
	case []any:
		list := &commonpb.ArrayValue{}
		for _, e := range x {
			list.Values = append(list.Values, fromJSON(e))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
	case map[string]any:
		kvs := &commonpb.KeyValueList{}
		for _, k := range sortedKeys(x) {
			kvs.Values = append(kvs.Values, &commonpb.KeyValue{Key: valid(k), Value: fromJSON(x[k])})
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: kvs}}
	}
	return &commonpb.AnyValue{}
}

// valid makes text what protobuf takes: UTF-8.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
