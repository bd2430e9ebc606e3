package metrics

import (
	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// histogramsTable holds one row per native histogram, with every field of
// Prometheus' model. A histogram of integers fills zero_count, count and the
// *_deltas columns, one of floats the float_* and *_counts columns.
var histogramsTable = storage.Table{
	Name: "metrics_histograms",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn, Codec: codecPlain},
		{Name: "metric", Type: textColumn, Codec: codecPlain},
		{Name: "series", Type: "UInt128", Codec: codecPlain},
		{Name: "time", Type: "Int64", Codec: codecTime},
		{Name: "start", Type: "Int64", Codec: codecPlain},
		{Name: "is_float", Type: "Bool", Codec: codecPlain},
		{Name: "reset_hint", Type: "UInt8", Codec: codecPlain}, // histogram.CounterResetHint
		{Name: "schema", Type: "Int32", Codec: codecPlain},
		{Name: "zero_threshold", Type: "Float64", Codec: codecPlain},
		{Name: "sum", Type: "Float64", Codec: codecValue},
		{Name: "zero_count", Type: "UInt64", Codec: codecTime},
		{Name: "count", Type: "UInt64", Codec: codecTime},
		{Name: "float_zero_count", Type: "Float64", Codec: codecValue},
		{Name: "float_count", Type: "Float64", Codec: codecValue},
		{Name: "positive_offsets", Type: "Array(Int32)", Codec: codecPlain},
		{Name: "positive_lengths", Type: "Array(UInt32)", Codec: codecPlain},
		{Name: "negative_offsets", Type: "Array(Int32)", Codec: codecPlain},
		{Name: "negative_lengths", Type: "Array(UInt32)", Codec: codecPlain},
		{Name: "positive_deltas", Type: "Array(Int64)", Codec: codecPlain},
		{Name: "negative_deltas", Type: "Array(Int64)", Codec: codecPlain},
		{Name: "positive_counts", Type: "Array(Float64)", Codec: codecPlain},
		{Name: "negative_counts", Type: "Array(Float64)", Codec: codecPlain},
		{Name: "custom_values", Type: "Array(Float64)", Codec: codecPlain}, // bounds of schema -53
	},
	Engine:      "MergeTree",
	PartitionBy: dayOf("time"),
	OrderBy:     "tenant, metric, series, time",
	Time:        dayOf("time"),
	ShardBy:     "cityHash64(series)",
}

// histogramFields are the columns that make up a histogram, used both ways.
type histogramFields struct {
	isFloat                          proto.ColBool
	hint                             proto.ColUInt8
	schema                           proto.ColInt32
	zeroThreshold, sum               proto.ColFloat64
	zeroCount, count                 proto.ColUInt64
	floatZeroCount, floatCount       proto.ColFloat64
	positiveOffsets, negativeOffsets *proto.ColArr[int32]
	positiveLengths, negativeLengths *proto.ColArr[uint32]
	positiveDeltas, negativeDeltas   *proto.ColArr[int64]
	positiveCounts, negativeCounts   *proto.ColArr[float64]
	customValues                     *proto.ColArr[float64]
}

func newHistogramFields() histogramFields {
	return histogramFields{
		positiveOffsets: new(proto.ColInt32).Array(), negativeOffsets: new(proto.ColInt32).Array(),
		positiveLengths: new(proto.ColUInt32).Array(), negativeLengths: new(proto.ColUInt32).Array(),
		positiveDeltas: new(proto.ColInt64).Array(), negativeDeltas: new(proto.ColInt64).Array(),
		positiveCounts: new(proto.ColFloat64).Array(), negativeCounts: new(proto.ColFloat64).Array(),
		customValues: new(proto.ColFloat64).Array(),
	}
}

// columns names the fields, in the table's order.
func (f *histogramFields) columns() []namedColumn {
	return []namedColumn{
		{"is_float", &f.isFloat},
		{"reset_hint", &f.hint},
		{"schema", &f.schema},
		{"zero_threshold", &f.zeroThreshold},
		{"sum", &f.sum},
		{"zero_count", &f.zeroCount},
		{"count", &f.count},
		{"float_zero_count", &f.floatZeroCount},
		{"float_count", &f.floatCount},
		{"positive_offsets", f.positiveOffsets},
		{"positive_lengths", f.positiveLengths},
		{"negative_offsets", f.negativeOffsets},
		{"negative_lengths", f.negativeLengths},
		{"positive_deltas", f.positiveDeltas},
		{"negative_deltas", f.negativeDeltas},
		{"positive_counts", f.positiveCounts},
		{"negative_counts", f.negativeCounts},
		{"custom_values", f.customValues},
	}
}

type namedColumn struct {
	name string
	data proto.Column
}

func (f *histogramFields) append(h telemetry.HistogramSample) {
	if h.Float != nil {
		f.appendFloat(h.Float)
		return
	}
	f.appendInt(h.Int)
}

func (f *histogramFields) appendInt(h *histogram.Histogram) {
	f.isFloat.Append(false)
	f.common(h.CounterResetHint, h.Schema, h.ZeroThreshold, h.Sum, h.PositiveSpans, h.NegativeSpans, h.CustomValues)
	f.zeroCount.Append(h.ZeroCount)
	f.count.Append(h.Count)
	f.floatZeroCount.Append(0)
	f.floatCount.Append(0)
	f.positiveDeltas.Append(h.PositiveBuckets)
	f.negativeDeltas.Append(h.NegativeBuckets)
	f.positiveCounts.Append(nil)
	f.negativeCounts.Append(nil)
}

func (f *histogramFields) appendFloat(h *histogram.FloatHistogram) {
	f.isFloat.Append(true)
	f.common(h.CounterResetHint, h.Schema, h.ZeroThreshold, h.Sum, h.PositiveSpans, h.NegativeSpans, h.CustomValues)
	f.zeroCount.Append(0)
	f.count.Append(0)
	f.floatZeroCount.Append(h.ZeroCount)
	f.floatCount.Append(h.Count)
	f.positiveDeltas.Append(nil)
	f.negativeDeltas.Append(nil)
	f.positiveCounts.Append(h.PositiveBuckets)
	f.negativeCounts.Append(h.NegativeBuckets)
}

func (f *histogramFields) common(hint histogram.CounterResetHint, schema int32, zeroThreshold, sum float64, positive, negative []histogram.Span, custom []float64) {
	f.hint.Append(uint8(hint))
	f.schema.Append(schema)
	f.zeroThreshold.Append(zeroThreshold)
	f.sum.Append(sum)
	appendSpans(f.positiveOffsets, f.positiveLengths, positive)
	appendSpans(f.negativeOffsets, f.negativeLengths, negative)
	f.customValues.Append(custom)
}

func appendSpans(offsets *proto.ColArr[int32], lengths *proto.ColArr[uint32], spans []histogram.Span) {
	for _, s := range spans {
		offsets.Data.Append(s.Offset)
		lengths.Data.Append(s.Length)
	}
	offsets.Offsets.Append(uint64(offsets.Data.Rows()))
	lengths.Offsets.Append(uint64(lengths.Data.Rows()))
}

// row reads the histogram of row i; its slices are its own.
func (f *histogramFields) row(i int) (ih *histogram.Histogram, fh *histogram.FloatHistogram) {
	positive := spans(f.positiveOffsets.Row(i), f.positiveLengths.Row(i))
	negative := spans(f.negativeOffsets.Row(i), f.negativeLengths.Row(i))
	custom := orNil(f.customValues.Row(i))
	if f.isFloat.Row(i) {
		return nil, &histogram.FloatHistogram{
			CounterResetHint: histogram.CounterResetHint(f.hint[i]), Schema: f.schema[i],
			ZeroThreshold: f.zeroThreshold[i], ZeroCount: f.floatZeroCount[i], Count: f.floatCount[i], Sum: f.sum[i],
			PositiveSpans: positive, NegativeSpans: negative,
			PositiveBuckets: orNil(f.positiveCounts.Row(i)), NegativeBuckets: orNil(f.negativeCounts.Row(i)),
			CustomValues: custom,
		}
	}
	return &histogram.Histogram{
		CounterResetHint: histogram.CounterResetHint(f.hint[i]), Schema: f.schema[i],
		ZeroThreshold: f.zeroThreshold[i], ZeroCount: f.zeroCount[i], Count: f.count[i], Sum: f.sum[i],
		PositiveSpans: positive, NegativeSpans: negative,
		PositiveBuckets: orNil(f.positiveDeltas.Row(i)), NegativeBuckets: orNil(f.negativeDeltas.Row(i)),
		CustomValues: custom,
	}, nil
}

// spans zips offsets and lengths.
func spans(offsets []int32, lengths []uint32) []histogram.Span {
	if len(offsets) == 0 {
		return nil
	}
	out := make([]histogram.Span, len(offsets))
	for i := range out {
		out[i] = histogram.Span{Offset: offsets[i], Length: lengths[i]}
	}
	return out
}

// orNil is nil for an empty slice, as Prometheus' model has it.
func orNil[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

// histogramColumns is a batch of rows for histogramsTable.
type histogramColumns struct {
	tenant, metric dictColumn
	series         proto.ColUInt128
	time, start    proto.ColInt64
	fields         histogramFields
}

func newHistogramColumns() *histogramColumns {
	return &histogramColumns{fields: newHistogramFields()}
}

// Append adds the histograms of one series.
func (c *histogramColumns) Append(tenant, metric string, id telemetry.SeriesID, hs []telemetry.HistogramSample) {
	c.tenant.AppendN(tenant, len(hs))
	c.metric.AppendN(metric, len(hs))
	for i := range hs {
		c.series = append(c.series, uint128(id))
		c.time = append(c.time, hs[i].T)
		c.start = append(c.start, hs[i].Start)
		c.fields.append(hs[i])
	}
}

// Input implements batch.Columns.
func (c *histogramColumns) Input() proto.Input {
	in := proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "metric", Data: &c.metric},
		{Name: "series", Data: &c.series},
		{Name: "time", Data: &c.time},
		{Name: "start", Data: &c.start},
	}
	for _, col := range c.fields.columns() {
		in = append(in, proto.InputColumn{Name: col.name, Data: col.data})
	}
	return in
}

// Rows implements batch.Columns.
func (c *histogramColumns) Rows() int { return len(c.time) }

// Size implements batch.Columns.
func (c *histogramColumns) Size() int {
	f := &c.fields
	buckets := f.positiveDeltas.Data.Rows() + f.negativeDeltas.Data.Rows() +
		f.positiveCounts.Data.Rows() + f.negativeCounts.Data.Rows() + f.customValues.Data.Rows()
	return len(c.time)*200 + 8*buckets
}

// Reset implements batch.Columns.
func (c *histogramColumns) Reset() {
	c.tenant.Reset()
	c.metric.Reset()
	c.series = c.series[:0]
	c.time = c.time[:0]
	c.start = c.start[:0]
	for _, col := range c.fields.columns() {
		col.data.Reset()
	}
}
