package self

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// TraceOptions say what is traced and where spans go.
type TraceOptions struct {
	// Ratio is the share of traces that are kept, 0 to 1, when no caller has
	// decided already.
	Ratio   float64
	Sink    collector.SpanSink
	Tenant  string
	Host    string // this machine's name
	Version string // of Watchfire
	Counts  *collector.Metrics
}

// Traces makes spans and stores them in batches.
type Traces struct{ provider *sdk.TracerProvider }

// NewTraces makes a tracer; Run stores what is left when it ends.
func NewTraces(o TraceOptions) *Traces {
	res := resource.NewSchemaless(
		attribute.String("service.name", "watchfire"), attribute.String("service.version", o.Version), attribute.String("host.name", o.Host),
	)
	return &Traces{provider: sdk.NewTracerProvider(
		sdk.WithResource(res),
		sdk.WithSampler(sampler{sdk.ParentBased(sdk.TraceIDRatioBased(o.Ratio))}),
		sdk.WithBatcher(&exporter{o}, sdk.WithMaxQueueSize(4096), sdk.WithMaxExportBatchSize(512)),
	)}
}

// Provider is where instrumented code gets its tracers.
func (t *Traces) Provider() trace.TracerProvider { return t.provider }

// Run waits for the end of ctx, and stores the spans that wait then.
func (t *Traces) Run(ctx context.Context) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeFor/2)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// sampler drops the spans of storing spans.
type sampler struct{ sdk.Sampler }

// ShouldSample implements sdk.Sampler.
func (s sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	if isOwn(p.ParentContext) {
		return sdk.NeverSample().ShouldSample(p)
	}
	return s.Sampler.ShouldSample(p)
}

// exporter gives spans to the sink.
type exporter struct{ o TraceOptions }

// ExportSpans implements sdk.SpanExporter. Spans that cannot be stored are lost
// and counted.
func (e *exporter) ExportSpans(ctx context.Context, in []sdk.ReadOnlySpan) error {
	spans := make([]telemetry.Span, len(in))
	for i, s := range in {
		spans[i] = span(s)
	}
	out, err := e.o.Sink.WriteSpans(Own(ctx), e.o.Tenant, spans)
	e.o.Counts.Count(source, "traces", len(spans), out, err)
	if err != nil {
		e.o.Counts.Drop(source, "traces", len(spans))
		return fmt.Errorf("cannot store own spans: %w", err)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(context.Context) error { return nil }

func span(s sdk.ReadOnlySpan) telemetry.Span {
	out := telemetry.Span{
		TraceID: telemetry.TraceID(s.SpanContext().TraceID()), SpanID: telemetry.SpanID(s.SpanContext().SpanID()),
		ParentID: telemetry.SpanID(s.Parent().SpanID()), TraceState: s.SpanContext().TraceState().String(), Flags: uint32(s.SpanContext().TraceFlags()),
		Name: s.Name(), Kind: kinds[s.SpanKind()], Start: s.StartTime().UnixNano(), Duration: max(0, s.EndTime().Sub(s.StartTime()).Nanoseconds()),
		StatusMessage: s.Status().Description, Resource: attributes(s.Resource().Attributes()), Attributes: attributes(s.Attributes()),
		Scope: telemetry.Scope{Name: s.InstrumentationScope().Name, Version: s.InstrumentationScope().Version},
	}
	switch s.Status().Code {
	case codes.Ok:
		out.Status = telemetry.StatusOK
	case codes.Error:
		out.Status = telemetry.StatusError
	}
	for _, e := range s.Events() {
		out.Events = append(out.Events, telemetry.SpanEvent{Time: e.Time.UnixNano(), Name: e.Name, Attributes: attributes(e.Attributes)})
	}
	for _, l := range s.Links() {
		out.Links = append(out.Links, telemetry.SpanLink{
			TraceID: telemetry.TraceID(l.SpanContext.TraceID()), SpanID: telemetry.SpanID(l.SpanContext.SpanID()), Attributes: attributes(l.Attributes),
		})
	}
	return out
}

var kinds = map[trace.SpanKind]telemetry.SpanKind{
	trace.SpanKindInternal: telemetry.SpanKindInternal, trace.SpanKindServer: telemetry.SpanKindServer, trace.SpanKindClient: telemetry.SpanKindClient,
	trace.SpanKindProducer: telemetry.SpanKindProducer, trace.SpanKindConsumer: telemetry.SpanKindConsumer,
}

func attributes(in []attribute.KeyValue) []telemetry.Attribute {
	out := make([]telemetry.Attribute, len(in))
	for i, kv := range in {
		var v telemetry.Value
		switch kv.Value.Type() {
		case attribute.BOOL:
			v = telemetry.BoolValue(kv.Value.AsBool())
		case attribute.INT64:
			v = telemetry.IntValue(kv.Value.AsInt64())
		case attribute.FLOAT64:
			v = telemetry.FloatValue(kv.Value.AsFloat64())
		case attribute.STRING:
			v = telemetry.StringValue(kv.Value.AsString())
		default:
			v = telemetry.JSONValue(kv.Value.Emit())
		}
		out[i] = telemetry.Attribute{Key: string(kv.Key), Value: v}
	}
	return out
}
