package metrics

import (
	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// exemplarsTable holds the examples behind samples; trace_id is pulled out of
// the labels for joins with traces.
var exemplarsTable = storage.Table{
	Name: "metrics_exemplars",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn, Codec: codecPlain},
		{Name: "metric", Type: textColumn, Codec: codecPlain},
		{Name: "series", Type: "UInt128", Codec: codecPlain},
		{Name: "time", Type: "Int64", Codec: codecTime},
		{Name: "value", Type: "Float64", Codec: codecPlain},
		{Name: "labels", Type: "Map(LowCardinality(String), String)", Codec: codecPlain},
	},
	// The same exemplar is sent with every push until a new one replaces it.
	Engine:      "ReplacingMergeTree",
	PartitionBy: dayOf("time"),
	OrderBy:     "tenant, metric, series, time, value, mapValues(labels)",
	PrimaryKey:  "tenant, metric, series, time",
	Time:        dayOf("time"),
	ShardBy:     "cityHash64(series)",
}

// exemplarColumns is a batch of rows for exemplarsTable.
type exemplarColumns struct {
	tenant, metric dictColumn
	series         proto.ColUInt128
	time           proto.ColInt64
	value          proto.ColFloat64
	labels         mapColumn
}

func newExemplarColumns() *exemplarColumns { return &exemplarColumns{} }

// Append adds an exemplar of a series.
func (c *exemplarColumns) Append(tenant, metric string, id telemetry.SeriesID, e telemetry.Exemplar) {
	c.tenant.Append(tenant)
	c.metric.Append(metric)
	c.series = append(c.series, uint128(id))
	c.time = append(c.time, e.T)
	c.value = append(c.value, e.V)
	e.Labels.Range(func(l labels.Label) { c.labels.Add(l.Name, l.Value) })
	c.labels.EndRow()
}

// Input implements batch.Columns.
func (c *exemplarColumns) Input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "metric", Data: &c.metric},
		{Name: "series", Data: &c.series},
		{Name: "time", Data: &c.time},
		{Name: "value", Data: &c.value},
		{Name: "labels", Data: &c.labels},
	}
}

// Rows implements batch.Columns.
func (c *exemplarColumns) Rows() int { return len(c.time) }

// Size implements batch.Columns.
func (c *exemplarColumns) Size() int { return len(c.time)*50 + c.metric.size + c.labels.Size() }

// Reset implements batch.Columns.
func (c *exemplarColumns) Reset() {
	c.tenant.Reset()
	c.metric.Reset()
	c.series = c.series[:0]
	c.time = c.time[:0]
	c.value = c.value[:0]
	c.labels.Reset()
}
