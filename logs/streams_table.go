package logs

import (
	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// streamsTable holds the labels of a stream once for each day on which it had
// lines, so that a query looks only at streams that lived in its time.
var streamsTable = storage.Table{
	Name: "logs_streams",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn, Codec: "ZSTD(1)"},
		{Name: "day", Type: "Date", Codec: "ZSTD(1)"},
		{Name: "stream", Type: "UInt128", Codec: "ZSTD(1)"},
		{Name: "labels", Type: "Map(LowCardinality(String), String)", Codec: "ZSTD(1)"},
	},
	Engine:      "ReplacingMergeTree",
	PartitionBy: "toMonday(day)",
	OrderBy:     "tenant, day, stream",
	Time:        "day",
	ShardBy:     "cityHash64(stream)",
}

// streamColumns is a batch of rows for streamsTable.
type streamColumns struct {
	tenant dictColumn
	day    proto.ColDate
	stream proto.ColUInt128
	labels mapColumn
}

func newStreamColumns() *streamColumns { return &streamColumns{} }

// Append says that a stream had lines on a day.
func (c *streamColumns) Append(tenant string, d day, id telemetry.SeriesID, ls labels.Labels) {
	c.tenant.Append(tenant)
	c.day = append(c.day, proto.Date(d))
	c.stream = append(c.stream, proto.UInt128{Low: id.Lo, High: id.Hi})
	ls.Range(func(l labels.Label) { c.labels.Add(l.Name, l.Value) })
	c.labels.EndRow()
}

// Input implements batch.Columns.
func (c *streamColumns) Input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "day", Data: &c.day},
		{Name: "stream", Data: &c.stream},
		{Name: "labels", Data: &c.labels},
	}
}

// Rows implements batch.Columns.
func (c *streamColumns) Rows() int { return len(c.day) }

// Size implements batch.Columns.
func (c *streamColumns) Size() int { return len(c.day)*22 + c.labels.Size() }

// Reset implements batch.Columns.
func (c *streamColumns) Reset() {
	c.tenant.Reset()
	c.day.Reset()
	c.stream.Reset()
	c.labels.Reset()
}
