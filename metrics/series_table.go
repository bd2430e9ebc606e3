package metrics

import (
	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// seriesTable holds a series' labels once per month, with a bit for each day
// of the month on which it had samples. The Writer adds a row per series and
// day; merges fold them into one. Readers take unmerged rows as they are, for
// rows of one id differ in nothing but days.
var seriesTable = storage.Table{
	Name: "metrics_series",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn, Codec: codecPlain},
		{Name: "month", Type: "Date", Codec: codecPlain}, // its first day
		{Name: "metric", Type: textColumn, Codec: codecPlain},
		{Name: "id", Type: "UInt128", Codec: codecPlain},
		{Name: "days", Type: "SimpleAggregateFunction(groupBitOr, UInt32)", Codec: codecPlain}, // bit 0 = the 1st
		{Name: "kinds", Type: "SimpleAggregateFunction(groupBitOr, UInt8)", Codec: codecPlain}, // see kinds
		{Name: "labels", Type: "Map(LowCardinality(String), String)", Codec: codecPlain},       // without __name__
	},
	Engine:      "AggregatingMergeTree",
	PartitionBy: "month",
	// Sorted by the labels' values, neighbours share most of their bytes.
	PrimaryKey: "tenant, metric",
	OrderBy:    "tenant, metric, mapValues(labels), id",
	Time:       "toLastDayOfMonth(month)",
	ShardBy:    "cityHash64(id)",
}

// kinds says which tables have rows of a series, and whether its floats have
// start timestamps, so that a query reads only what there is.
type kinds uint8

const (
	kindFloat kinds = 1 << iota
	kindHistogram
	kindExemplar
	kindStart
)

// seriesColumns is a batch of rows for seriesTable.
type seriesColumns struct {
	tenant, metric dictColumn
	month          proto.ColDate
	id             proto.ColUInt128
	days           proto.ColUInt32
	kinds          proto.ColUInt8
	labels         mapColumn
}

func newSeriesColumns() *seriesColumns { return &seriesColumns{} }

// Append says that a series had samples on days of a month.
func (c *seriesColumns) Append(tenant, metric string, id telemetry.SeriesID, month day, days uint32, k kinds, ls labels.Labels) {
	c.tenant.Append(tenant)
	c.metric.Append(metric)
	c.month = append(c.month, proto.Date(month))
	c.id = append(c.id, uint128(id))
	c.days = append(c.days, days)
	c.kinds = append(c.kinds, uint8(k))
	ls.Range(func(l labels.Label) {
		if l.Name != labels.MetricName {
			c.labels.Add(l.Name, l.Value)
		}
	})
	c.labels.EndRow()
}

// Input implements batch.Columns.
func (c *seriesColumns) Input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "month", Data: &c.month},
		{Name: "metric", Data: &c.metric},
		{Name: "id", Data: &c.id},
		{Name: "days", Data: &c.days},
		{Name: "kinds", Data: &c.kinds},
		{Name: "labels", Data: &c.labels},
	}
}

// Rows implements batch.Columns.
func (c *seriesColumns) Rows() int { return len(c.id) }

// Size implements batch.Columns.
func (c *seriesColumns) Size() int { return len(c.id)*40 + c.metric.size + c.labels.Size() }

// Reset implements batch.Columns.
func (c *seriesColumns) Reset() {
	c.tenant.Reset()
	c.metric.Reset()
	c.month = c.month[:0]
	c.id = c.id[:0]
	c.days = c.days[:0]
	c.kinds = c.kinds[:0]
	c.labels.Reset()
}
