package traces

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// byTraceTable is for reading: whole spans, those of a trace side by side.
// Spans that were pushed twice collapse in merges and in queries.
var byTraceTable = storage.Table{
	Name: "spans_by_trace",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn},
		{Name: "trace_id", Type: "FixedString(16)", Codec: codecPlain},
		{Name: "span_id", Type: "FixedString(8)", Codec: codecPlain},
		{Name: "kind", Type: "UInt8", Codec: codecPlain}, // in the key: Zipkin's client and server may share a span id
		{Name: "start", Type: "Int64", Codec: codecPlain},
		{Name: "resource", Type: textColumn},              // attributes as appendJSON writes them
		{Name: "scope", Type: textColumn},                 // appendScope
		{Name: "span", Type: "String", Codec: codecPlain}, // appendSpan
	},
	Engine:      "ReplacingMergeTree",
	PartitionBy: dayOf("start"),
	OrderBy:     "tenant, trace_id, span_id, kind",
	Time:        dayOf("start"),
	ShardBy:     "sipHash64(trace_id)",
	// Small granules: what is read is one trace, not a range of them.
	Settings: []string{"index_granularity = 2048"},
}

// byTraceColumns build the table's rows.
type byTraceColumns struct {
	tenant  dictColumn
	traceID proto.ColFixedStr16
	spanID  proto.ColFixedStr8
	kind    proto.ColUInt8
	start   proto.ColInt64

	resource, scope dictColumn
	span            proto.ColStr
	buf             []byte
}

func newByTraceColumns() *byTraceColumns { return &byTraceColumns{} }

// Append adds a row. scope is appendScope's text.
func (c *byTraceColumns) Append(tenant string, s *telemetry.Span, r *resource, scope string) {
	c.tenant.Append(tenant)
	c.traceID = append(c.traceID, s.TraceID)
	c.spanID = append(c.spanID, s.SpanID)
	c.kind = append(c.kind, uint8(s.Kind))
	c.start = append(c.start, s.Start)
	c.resource.Append(r.text)
	c.scope.Append(scope)
	c.buf = appendSpan(c.buf[:0], s)
	c.span.AppendBytes(c.buf)
}

// Input implements batch.Columns.
func (c *byTraceColumns) Input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "trace_id", Data: &c.traceID},
		{Name: "span_id", Data: &c.spanID},
		{Name: "kind", Data: &c.kind},
		{Name: "start", Data: &c.start},
		{Name: "resource", Data: &c.resource},
		{Name: "scope", Data: &c.scope},
		{Name: "span", Data: &c.span},
	}
}

// Rows implements batch.Columns.
func (c *byTraceColumns) Rows() int { return len(c.start) }

// Size implements batch.Columns.
func (c *byTraceColumns) Size() int {
	return len(c.start)*(16+8+1+8+3+16) + len(c.span.Buf) + c.resource.size + c.scope.size
}

// Reset implements batch.Columns.
func (c *byTraceColumns) Reset() {
	for _, d := range c.Input() {
		d.Data.(proto.Resettable).Reset()
	}
}
