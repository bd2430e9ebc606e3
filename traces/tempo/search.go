package tempo

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces"
	"github.com/watchfire/watchfire/traces/traceql"
)

// Tempo's defaults.
const (
	defaultLimit    = 20
	defaultSpanset  = 3
	serviceNameAttr = "service.name"
)

type searchResponse struct {
	Traces  []foundTrace `json:"traces"`
	Metrics metrics      `json:"metrics"`
	Status  string       `json:"status,omitempty"`
	Message string       `json:"message,omitempty"`
}

type foundTrace struct {
	TraceID           string                  `json:"traceID"`
	RootServiceName   string                  `json:"rootServiceName,omitempty"`
	RootTraceName     string                  `json:"rootTraceName,omitempty"`
	StartTimeUnixNano string                  `json:"startTimeUnixNano"`
	DurationMs        int64                   `json:"durationMs,omitempty"`
	SpanSet           *spanSet                `json:"spanSet,omitempty"` // the first of SpanSets, for old clients
	SpanSets          []spanSet               `json:"spanSets,omitempty"`
	ServiceStats      map[string]serviceStats `json:"serviceStats,omitempty"`
}

type spanSet struct {
	Spans      []foundSpan `json:"spans,omitempty"`
	Matched    int         `json:"matched"`
	Attributes []keyValue  `json:"attributes,omitempty"`
}

type foundSpan struct {
	SpanID            string     `json:"spanID"`
	Name              string     `json:"name,omitempty"`
	StartTimeUnixNano string     `json:"startTimeUnixNano"`
	DurationNanos     string     `json:"durationNanos,omitempty"`
	Attributes        []keyValue `json:"attributes,omitempty"`
}

type keyValue struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

type serviceStats struct {
	SpanCount  int `json:"spanCount"`
	ErrorCount int `json:"errorCount,omitempty"`
}

// rootNotThere is Tempo's text for a trace without its root span.
const rootNotThere = "<root span not yet received>"

func (a *API) search(w http.ResponseWriter, r *http.Request) error {
	params := r.URL.Query()
	q, err := query(params)
	if err != nil {
		return err
	}
	in, err := rangeOf(params)
	if err != nil {
		return err
	}
	limit, err := count(params, "limit", defaultLimit)
	if err != nil {
		return err
	}
	perSet, err := count(params, "spss", defaultSpanset)
	if err != nil {
		return err
	}
	found, err := a.reader.Search(r.Context(), server.Tenant(r.Context()), traces.Search{Query: q, In: in, Limit: limit})
	if err != nil {
		return err
	}
	out := searchResponse{Traces: []foundTrace{}, Metrics: metricsOf(found.Stats)}
	if found.Incomplete != "" {
		out.Status, out.Message = "PARTIAL", found.Incomplete
	}
	fields := q.Fields()
	for i := range found.Traces {
		out.Traces = append(out.Traces, foundTraceOf(&found.Traces[i], fields, perSet))
	}
	out.Metrics.InspectedTraces = len(out.Traces)
	return server.WriteJSON(w, out)
}

func foundTraceOf(f *traces.Found, fields []traceql.Field, perSet int) foundTrace {
	out := foundTrace{
		TraceID: hex.EncodeToString(f.ID[:]), RootServiceName: f.RootService(), RootTraceName: f.RootName(),
		StartTimeUnixNano: strconv.FormatInt(f.Start, 10), DurationMs: f.Duration / int64(time.Millisecond),
		ServiceStats: map[string]serviceStats{},
	}
	if f.Root < 0 {
		out.RootServiceName = rootNotThere
	}
	for i := range f.Spans {
		v, _ := telemetry.Lookup(f.Spans[i].Resource, serviceNameAttr)
		s := out.ServiceStats[v.String()]
		s.SpanCount++
		if f.Spans[i].Status == telemetry.StatusError {
			s.ErrorCount++
		}
		out.ServiceStats[v.String()] = s
	}
	for _, set := range f.Sets {
		out.SpanSets = append(out.SpanSets, spanSetOf(f.Trace, set, fields, perSet))
	}
	out.SpanSet = &out.SpanSets[0]
	return out
}

func spanSetOf(t *traceql.Trace, set traceql.Spanset, fields []traceql.Field, most int) spanSet {
	out := spanSet{Matched: len(set.Spans)}
	for _, a := range set.Attributes {
		out.Attributes = append(out.Attributes, keyValue{a.Name, valueJSON(a.Value)})
	}
	for n, i := range set.Spans {
		if most > 0 && n == most {
			break
		}
		s := &t.Spans[i]
		span := foundSpan{
			SpanID: hex.EncodeToString(s.SpanID[:]), Name: s.Name,
			StartTimeUnixNano: strconv.FormatInt(s.Start, 10), DurationNanos: strconv.FormatInt(s.Duration, 10),
		}
		for _, f := range fields {
			if f.Scope == traceql.ScopeIntrinsic && (f.Name == traceql.SpanName || f.Name == traceql.SpanDuration) {
				continue
			}
			for _, v := range t.Values(i, f) {
				span.Attributes = append(span.Attributes, keyValue{f.Name, valueJSON(v)})
			}
		}
		out.Spans = append(out.Spans, span)
	}
	return out
}

// valueJSON is a value as AnyValue.
func valueJSON(v traceql.Value) json.RawMessage {
	var any *commonpb.AnyValue
	switch v.Type {
	case traceql.TypeInt:
		any = anyValue(telemetry.IntValue(v.Int()))
	case traceql.TypeFloat:
		any = anyValue(telemetry.FloatValue(v.Float()))
	case traceql.TypeBool:
		any = anyValue(telemetry.BoolValue(v.IsTrue()))
	case traceql.TypeOther:
		any = anyValue(telemetry.JSONValue(v.Str()))
	default:
		any = stringValue(v.Text())
	}
	b, err := protojson.Marshal(any)
	if err != nil {
		return json.RawMessage(`{}`)
	}
	return b
}
