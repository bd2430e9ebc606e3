package telemetry

// SpanKind is OpenTelemetry's span kind number.
type SpanKind uint8

// Span kinds as numbered by OTLP.
const (
	SpanKindUnspecified SpanKind = iota
	SpanKindInternal
	SpanKindServer
	SpanKindClient
	SpanKindProducer
	SpanKindConsumer
)

// StatusCode is OpenTelemetry's span status code number.
type StatusCode uint8

// Span status codes as numbered by OTLP.
const (
	StatusUnset StatusCode = iota
	StatusOK
	StatusError
)

// Span is one operation of a trace.
type Span struct {
	TraceID       TraceID
	SpanID        SpanID
	ParentID      SpanID // zero = a root
	TraceState    string
	Flags         uint32
	Name          string
	Kind          SpanKind
	Start         int64 // Unix nanoseconds
	Duration      int64 // nanoseconds, >= 0
	Status        StatusCode
	StatusMessage string
	Resource      []Attribute // shared by all spans of a push's resource: read only
	Scope         Scope
	Attributes    []Attribute
	Events        []SpanEvent
	Links         []SpanLink
}

// Scope is the instrumentation library that made a span.
type Scope struct {
	Name       string
	Version    string
	Attributes []Attribute
}

// SpanEvent is a moment within a span.
type SpanEvent struct {
	Time       int64 // Unix nanoseconds
	Name       string
	Attributes []Attribute
}

// SpanLink points from a span to another.
type SpanLink struct {
	TraceID    TraceID
	SpanID     SpanID
	TraceState string
	Attributes []Attribute
}
