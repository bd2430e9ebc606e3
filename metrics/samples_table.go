package metrics

import (
	"github.com/ClickHouse/ch-go/proto"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// samplesTable holds one row per float sample. The samples of a metric lie
// together, within it those of a series, in order of time.
var samplesTable = storage.Table{
	Name: "metrics_samples",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn, Codec: codecPlain},
		{Name: "metric", Type: textColumn, Codec: codecPlain},
		{Name: "series", Type: "UInt128", Codec: codecPlain},
		{Name: "time", Type: "Int64", Codec: codecTime},   // ms
		{Name: "start", Type: "Int64", Codec: codecPlain}, // ms, 0 = unknown
		// The value is mantissa / 10^scale, see decimal.go.
		{Name: "mantissa", Type: "Int64", Codec: "Delta, ZSTD(1)"},
		{Name: "scale", Type: "UInt8", Codec: codecPlain},
		{Name: "value", Type: "Float64", Default: "ALIAS " + valueSQLExpr},
	},
	Engine:      "MergeTree",
	PartitionBy: dayOf("time"),
	OrderBy:     "tenant, metric, series, time",
	Time:        dayOf("time"),
	ShardBy:     "cityHash64(series)",
}

// sampleColumns is a batch of rows for samplesTable.
type sampleColumns struct {
	tenant, metric dictColumn
	series         proto.ColUInt128
	time, start    proto.ColInt64
	mantissa       proto.ColInt64
	scale          proto.ColUInt8
	sortSpace
}

func newSampleColumns() *sampleColumns { return &sampleColumns{} }

// Append adds the samples of one series. hint is the scale of the series'
// sample before; the one for the next is returned.
func (c *sampleColumns) Append(tenant, metric string, id telemetry.SeriesID, samples []telemetry.Sample, hint uint8) uint8 {
	c.tenant.AppendN(tenant, len(samples))
	c.metric.AppendN(metric, len(samples))
	for i := range samples {
		c.series = append(c.series, uint128(id))
		c.time = append(c.time, samples[i].T)
		c.start = append(c.start, samples[i].Start)
		mantissa, scale := encodeDecimal(samples[i].V, hint)
		c.mantissa = append(c.mantissa, mantissa)
		c.scale = append(c.scale, scale)
		hint = nextHint(hint, scale, samples[i].V)
	}
	return hint
}

// Input implements batch.Columns; it sorts the rows.
func (c *sampleColumns) Input() proto.Input {
	c.sortRows()
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "metric", Data: &c.metric},
		{Name: "series", Data: &c.series},
		{Name: "time", Data: &c.time},
		{Name: "start", Data: &c.start},
		{Name: "mantissa", Data: &c.mantissa},
		{Name: "scale", Data: &c.scale},
	}
}

// Rows implements batch.Columns.
func (c *sampleColumns) Rows() int { return len(c.time) }

// Size implements batch.Columns.
func (c *sampleColumns) Size() int { return len(c.time)*44 + c.tenant.size + c.metric.size }

// Reset implements batch.Columns.
func (c *sampleColumns) Reset() {
	c.tenant.Reset()
	c.metric.Reset()
	c.series = c.series[:0]
	c.time = c.time[:0]
	c.start = c.start[:0]
	c.mantissa = c.mantissa[:0]
	c.scale = c.scale[:0]
}

// uint128 is the series id as ClickHouse's UInt128.
func uint128(id telemetry.SeriesID) proto.UInt128 {
	return proto.UInt128{Low: id.Lo, High: id.Hi}
}
