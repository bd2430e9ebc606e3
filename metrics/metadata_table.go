package metrics

import (
	"github.com/ClickHouse/ch-go/proto"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// metadataTable holds what a metric family is: its type, unit and help.
// Sources may disagree, so each distinct answer is a row, with the day on
// which it was last seen.
var metadataTable = storage.Table{
	Name: "metrics_metadata",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn, Codec: codecPlain},
		{Name: "metric", Type: "String", Codec: codecPlain},
		{Name: "type", Type: textColumn, Codec: codecPlain},
		{Name: "unit", Type: textColumn, Codec: codecPlain},
		{Name: "help", Type: "String", Codec: codecPlain},
		{Name: "seen", Type: "Date", Codec: codecPlain},
	},
	Engine:  "ReplacingMergeTree(seen)",
	OrderBy: "tenant, metric, type, unit, help",
	Time:    "seen",
	ShardBy: "cityHash64(metric)",
}

// metadataColumns is a batch of rows for metadataTable.
type metadataColumns struct {
	tenant, typ, unit dictColumn
	metric, help      proto.ColStr
	seen              proto.ColDate
}

func newMetadataColumns() *metadataColumns { return &metadataColumns{} }

// Append says what a metric is on a day.
func (c *metadataColumns) Append(tenant string, seen day, m telemetry.MetricMetadata) {
	c.tenant.Append(tenant)
	c.metric.Append(m.Metric)
	c.typ.Append(m.Type)
	c.unit.Append(m.Unit)
	c.help.Append(m.Help)
	c.seen = append(c.seen, proto.Date(seen))
}

// Input implements batch.Columns.
func (c *metadataColumns) Input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "metric", Data: &c.metric},
		{Name: "type", Data: &c.typ},
		{Name: "unit", Data: &c.unit},
		{Name: "help", Data: &c.help},
		{Name: "seen", Data: &c.seen},
	}
}

// Rows implements batch.Columns.
func (c *metadataColumns) Rows() int { return len(c.seen) }

// Size implements batch.Columns.
func (c *metadataColumns) Size() int { return len(c.seen)*30 + len(c.metric.Buf) + len(c.help.Buf) }

// Reset implements batch.Columns.
func (c *metadataColumns) Reset() {
	c.tenant.Reset()
	c.metric.Reset()
	c.typ.Reset()
	c.unit.Reset()
	c.help.Reset()
	c.seen = c.seen[:0]
}
