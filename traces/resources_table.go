package traces

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// resourcesTable holds the attributes of each resource once for a day in which
// it had spans, so that filters on them read a few rows instead of every
// span's.
var resourcesTable = storage.Table{
	Name: "spans_resources",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn},
		{Name: "day", Type: "Date"}, // of spans' start, clamped
		{Name: "id", Type: "UInt64"},
		{Name: "attrs", Type: "Map(" + textColumn + ", String)", Codec: codecPlain},
		{Name: "attr_kinds", Type: "Array(UInt8)", Codec: codecPlain},
	},
	Engine:      "ReplacingMergeTree",
	PartitionBy: "toYYYYMM(day)",
	OrderBy:     "tenant, day, id",
	Time:        "day",
	ShardBy:     "id",
}

// resourceColumns build the table's rows.
type resourceColumns struct {
	tenant    dictColumn
	day       proto.ColDate
	id        proto.ColUInt64
	attrs     mapColumn
	attrKinds arrayColumn[*proto.ColUInt8]
}

func newResourceColumns() *resourceColumns {
	c := &resourceColumns{}
	c.attrKinds.values = &proto.ColUInt8{}
	return c
}

// Append adds a row.
func (c *resourceColumns) Append(tenant string, day uint16, id uint64, attrs []telemetry.Attribute) {
	c.tenant.Append(tenant)
	c.day = append(c.day, proto.Date(day))
	c.id = append(c.id, id)
	appendAttributes(&c.attrs, &c.attrKinds, attrs)
}

// Input implements batch.Columns.
func (c *resourceColumns) Input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "day", Data: &c.day},
		{Name: "id", Data: &c.id},
		{Name: "attrs", Data: &c.attrs},
		{Name: "attr_kinds", Data: &c.attrKinds},
	}
}

// Rows implements batch.Columns.
func (c *resourceColumns) Rows() int { return len(c.id) }

// Size implements batch.Columns.
func (c *resourceColumns) Size() int { return len(c.id)*20 + c.attrs.Size() }

// Reset implements batch.Columns.
func (c *resourceColumns) Reset() {
	for _, d := range c.Input() {
		d.Data.(proto.Resettable).Reset()
	}
}
