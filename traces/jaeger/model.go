package jaeger

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/watchfire/watchfire/telemetry"
)

// trace is the JSON of a trace as Jaeger's UI reads it.
type trace struct {
	TraceID   string             `json:"traceID"`
	Spans     []span             `json:"spans"`
	Processes map[string]process `json:"processes"`
	Warnings  []string           `json:"warnings"`
}

type span struct {
	TraceID       string      `json:"traceID"`
	SpanID        string      `json:"spanID"`
	Flags         uint32      `json:"flags,omitempty"`
	OperationName string      `json:"operationName"`
	References    []reference `json:"references"`
	StartTime     int64       `json:"startTime"` // Unix microseconds
	Duration      int64       `json:"duration"`  // microseconds
	Tags          []tag       `json:"tags"`
	Logs          []logEntry  `json:"logs"`
	ProcessID     string      `json:"processID"`
	Warnings      []string    `json:"warnings"`
}

type reference struct {
	RefType string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

type tag struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

type logEntry struct {
	Timestamp int64 `json:"timestamp"` // Unix microseconds
	Fields    []tag `json:"fields"`
}

type process struct {
	ServiceName string `json:"serviceName"`
	Tags        []tag  `json:"tags"`
}

// traceOf translates the spans of one trace.
func traceOf(id telemetry.TraceID, spans []telemetry.Span, cut bool) trace {
	out := trace{TraceID: hex.EncodeToString(id[:]), Processes: map[string]process{}, Spans: make([]span, 0, len(spans))}
	processes := map[*telemetry.Attribute]string{}
	for i := range spans {
		key := (*telemetry.Attribute)(nil)
		if len(spans[i].Resource) > 0 {
			key = &spans[i].Resource[0]
		}
		pid, ok := processes[key]
		if !ok {
			pid = "p" + strconv.Itoa(len(processes)+1)
			processes[key] = pid
			out.Processes[pid] = processOf(spans[i].Resource)
		}
		out.Spans = append(out.Spans, spanOf(&spans[i], pid))
	}
	if cut {
		out.Warnings = []string{fmt.Sprintf("the trace has more spans than traces.query.max_spans: %d of them are here", len(spans))}
	}
	return out
}

func processOf(resource []telemetry.Attribute) process {
	p := process{ServiceName: "OTLPResourceNoServiceName", Tags: []tag{}}
	for _, a := range resource {
		if a.Key == "service.name" && a.Value.String() != "" {
			p.ServiceName = a.Value.String()
			continue
		}
		p.Tags = append(p.Tags, tagOf(a))
	}
	return p
}

func tagOf(a telemetry.Attribute) tag {
	switch a.Value.Kind() {
	case telemetry.KindInt:
		return tag{a.Key, "int64", a.Value.Int()}
	case telemetry.KindFloat:
		f := a.Value.Float()
		if f-f != 0 { // NaN and infinities are not in JSON
			return tag{a.Key, "string", a.Value.String()}
		}
		return tag{a.Key, "float64", f}
	case telemetry.KindBool:
		return tag{a.Key, "bool", a.Value.Bool()}
	}
	return tag{a.Key, "string", a.Value.String()}
}

func tagsOf(attrs []telemetry.Attribute) []tag {
	out := make([]tag, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, tagOf(a))
	}
	return out
}

// kindNames are the values of the tag span.kind, by OTLP's numbers.
var kindNames = [...]string{"", "internal", "server", "client", "producer", "consumer"}

func spanOf(s *telemetry.Span, pid string) span {
	out := span{
		TraceID: hex.EncodeToString(s.TraceID[:]), SpanID: hex.EncodeToString(s.SpanID[:]), Flags: s.Flags, OperationName: s.Name,
		References: []reference{}, StartTime: micros(s.Start), Duration: s.Duration / 1000, Tags: tagsOf(s.Attributes), Logs: []logEntry{}, ProcessID: pid,
	}
	if !s.ParentID.IsZero() {
		out.References = append(out.References, reference{"CHILD_OF", out.TraceID, hex.EncodeToString(s.ParentID[:])})
	}
	for _, l := range s.Links {
		out.References = append(out.References, reference{"FOLLOWS_FROM", hex.EncodeToString(l.TraceID[:]), hex.EncodeToString(l.SpanID[:])})
	}
	out.Tags = append(out.Tags, impliedTags(s)...)
	for _, e := range s.Events {
		entry := logEntry{Timestamp: micros(e.Time)}
		if _, ok := telemetry.Lookup(e.Attributes, "event"); !ok && e.Name != "" {
			entry.Fields = append(entry.Fields, tag{"event", "string", e.Name})
		}
		entry.Fields = append(entry.Fields, tagsOf(e.Attributes)...)
		out.Logs = append(out.Logs, entry)
	}
	return out
}

// impliedTags are what Jaeger has no fields for.
func impliedTags(s *telemetry.Span) (out []tag) {
	add := func(key, value string) {
		if value != "" {
			out = append(out, tag{key, "string", value})
		}
	}
	add("otel.scope.name", s.Scope.Name)
	add("otel.scope.version", s.Scope.Version)
	if int(s.Kind) < len(kindNames) {
		add("span.kind", kindNames[s.Kind])
	}
	switch s.Status {
	case telemetry.StatusOK:
		add("otel.status_code", "OK")
	case telemetry.StatusError:
		add("otel.status_code", "ERROR")
		if _, ok := telemetry.Lookup(s.Attributes, "error"); !ok {
			out = append(out, tag{"error", "bool", true})
		}
	}
	add("otel.status_description", s.StatusMessage)
	add("w3c.tracestate", s.TraceState)
	return out
}

// micros rounds down, before 1970 too.
func micros(nanos int64) int64 {
	if nanos < 0 {
		return -((-nanos + 999) / 1000)
	}
	return nanos / 1000
}
