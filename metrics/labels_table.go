package metrics

import (
	"github.com/ClickHouse/ch-go/proto"
	"github.com/watchfire/watchfire/storage"
)

// labelsTable holds every pair of label name and value once per month, with
// the days on which a series had it, so that completion and Grafana's
// variables need not look at series.
var labelsTable = storage.Table{
	Name: "metrics_labels",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn, Codec: codecPlain},
		{Name: "month", Type: "Date", Codec: codecPlain},
		{Name: "name", Type: textColumn, Codec: codecPlain},
		{Name: "value", Type: "String", Codec: codecPlain},
		{Name: "days", Type: "SimpleAggregateFunction(groupBitOr, UInt32)", Codec: codecPlain},
	},
	Engine:      "AggregatingMergeTree",
	PartitionBy: "month",
	OrderBy:     "tenant, name, value",
	Time:        "toLastDayOfMonth(month)",
	ShardBy:     "cityHash64(name, value)",
}

// labelColumns is a batch of rows for labelsTable.
type labelColumns struct {
	tenant, name dictColumn
	month        proto.ColDate
	value        proto.ColStr
	days         proto.ColUInt32
}

func newLabelColumns() *labelColumns { return &labelColumns{} }

// Append says that a series had the pair on days of a month.
func (c *labelColumns) Append(tenant string, month day, days uint32, name, value string) {
	c.tenant.Append(tenant)
	c.month = append(c.month, proto.Date(month))
	c.name.Append(name)
	c.value.Append(value)
	c.days = append(c.days, days)
}

// Input implements batch.Columns.
func (c *labelColumns) Input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "month", Data: &c.month},
		{Name: "name", Data: &c.name},
		{Name: "value", Data: &c.value},
		{Name: "days", Data: &c.days},
	}
}

// Rows implements batch.Columns.
func (c *labelColumns) Rows() int { return len(c.days) }

// Size implements batch.Columns.
func (c *labelColumns) Size() int { return len(c.days)*20 + c.name.size + len(c.value.Buf) }

// Reset implements batch.Columns.
func (c *labelColumns) Reset() {
	c.tenant.Reset()
	c.month = c.month[:0]
	c.name.Reset()
	c.value.Reset()
	c.days = c.days[:0]
}
