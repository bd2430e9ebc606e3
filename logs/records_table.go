package logs

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// recordsTable holds the lines. Within an hour the lines of a stream lie
// together in order of time: they compress well, the newest lines of a stream
// are one granule, and a query for minutes over thousands of streams reads an
// hour at most. See docs/adr/0004-log-layout.md.
var recordsTable = storage.Table{
	Name: "logs_records",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn, Codec: "ZSTD(1)"},
		{Name: "stream", Type: "UInt128", Codec: "ZSTD(1)"},
		{Name: "time", Type: "Int64", Codec: "Delta, ZSTD(1)"}, // Unix nanoseconds
		// ord keeps lines of one push that share stream and time in the order
		// in which they were sent, such as those of a stack trace.
		{Name: "ord", Type: "UInt16", Codec: "ZSTD(1)"},
		{Name: "observed", Type: "Int64", Codec: "Delta, ZSTD(1)"}, // Unix nanoseconds, 0 = unknown
		{Name: "application", Type: textColumn, Codec: "ZSTD(1)"},
		{Name: "service", Type: textColumn, Codec: "ZSTD(1)"},
		{Name: "cluster", Type: textColumn, Codec: "ZSTD(1)"},
		{Name: "namespace", Type: textColumn, Codec: "ZSTD(1)"},
		{Name: "severity", Type: "UInt8", Codec: "ZSTD(1)"}, // OpenTelemetry's number
		{Name: "trace_id", Type: "FixedString(16)", Codec: "ZSTD(1)"},
		{Name: "span_id", Type: "FixedString(8)", Codec: "ZSTD(1)"},
		{Name: "metadata", Type: "Map(LowCardinality(String), String)", Codec: "ZSTD(1)"},
		{Name: "pattern", Type: "UInt64", Default: "DEFAULT 0", Codec: "ZSTD(1)"}, // 0 = not mined
		{Name: "body", Type: "String", Codec: "ZSTD(1)"},
	},
	Extra: []string{
		"INDEX " + bodyIndex + " body TYPE text(tokenizer = splitByNonAlpha, posting_list_codec = 'bitpacking')",
		"INDEX trace_ids trace_id TYPE bloom_filter(0.025) GRANULARITY 1",
	},
	Engine: "MergeTree",
	// A week, for an insert may touch a hundred partitions at most and lines
	// may be years late. Parts also know the times that they span.
	PartitionBy: "toMonday(" + dayOf("time") + ")",
	OrderBy:     "tenant, " + hourOfTime + ", stream, time, ord",
	Time:        dayOf("time"),
	ShardBy:     "cityHash64(stream)",
}

// hourOfTime is the hour in the table's key. ClickHouse does not infer it from
// conditions on time: statements name it.
const (
	hourOfTime = "intDiv(time, 3600000000000)"
	nsPerHour  = 3_600_000_000_000
)

// bodyIndex is the full-text index of the lines.
const bodyIndex = "body_tokens"

// recordColumns is a batch of rows for recordsTable.
type recordColumns struct {
	tenant, application, service, cluster, namespace dictColumn

	stream         proto.ColUInt128
	time, observed proto.ColInt64
	ord            proto.ColUInt16
	severity       proto.ColUInt8
	trace          proto.ColFixedStr16
	span           proto.ColFixedStr8
	metadata       mapColumn
	body           proto.ColStr
}

func newRecordColumns() *recordColumns { return &recordColumns{} }

// Append adds a line of a stream; ord counts lines of equal time.
func (c *recordColumns) Append(tenant string, s *stream, r *row) {
	c.tenant.Append(tenant)
	c.application.Append(s.application)
	c.service.Append(s.service)
	c.cluster.Append(s.cluster)
	c.namespace.Append(s.namespace)
	c.stream = append(c.stream, proto.UInt128{Low: s.id.Lo, High: s.id.Hi})
	c.time = append(c.time, r.time)
	c.observed = append(c.observed, r.observed)
	c.ord = append(c.ord, r.ord)
	c.severity = append(c.severity, uint8(r.severity))
	c.trace = append(c.trace, r.trace)
	c.span = append(c.span, r.span)
	for _, a := range r.metadata {
		c.metadata.Add(a.Key, a.Value.String())
	}
	if r.level != "" {
		c.metadata.Add(levelKey, r.level)
	}
	c.metadata.EndRow()
	c.body.Append(r.line)
}

// row is what recordColumns takes of a record, after limits and detection.
type row struct {
	time, observed int64
	ord            uint16
	severity       telemetry.Severity
	level          string // detected_level where severity does not tell it
	trace          telemetry.TraceID
	span           telemetry.SpanID
	metadata       []telemetry.Attribute
	line           string
}

// Input implements batch.Columns.
func (c *recordColumns) Input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "stream", Data: &c.stream},
		{Name: "time", Data: &c.time},
		{Name: "ord", Data: &c.ord},
		{Name: "observed", Data: &c.observed},
		{Name: "application", Data: &c.application},
		{Name: "service", Data: &c.service},
		{Name: "cluster", Data: &c.cluster},
		{Name: "namespace", Data: &c.namespace},
		{Name: "severity", Data: &c.severity},
		{Name: "trace_id", Data: &c.trace},
		{Name: "span_id", Data: &c.span},
		{Name: "metadata", Data: &c.metadata},
		{Name: "body", Data: &c.body},
	}
}

// Rows implements batch.Columns.
func (c *recordColumns) Rows() int { return len(c.time) }

// Size implements batch.Columns.
func (c *recordColumns) Size() int {
	const fixed = 16 + 8 + 8 + 2 + 1 + 16 + 8 + 5*4 + 16
	return len(c.time)*fixed + c.metadata.Size() + len(c.body.Buf)
}

// Reset implements batch.Columns.
func (c *recordColumns) Reset() {
	for _, d := range []*dictColumn{&c.tenant, &c.application, &c.service, &c.cluster, &c.namespace} {
		d.Reset()
	}
	c.stream.Reset()
	c.time.Reset()
	c.observed.Reset()
	c.ord.Reset()
	c.severity.Reset()
	c.trace.Reset()
	c.span.Reset()
	c.metadata.Reset()
	c.body.Reset()
}
