package events

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// eventsTable holds events and changes. One that was pushed twice collapses in
// merges and in queries; of one whose source tells it again with a later time
// and a higher count, queries show the latest.
var eventsTable = storage.Table{
	Name: "events",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn},
		{Name: "time", Type: "Int64", Codec: "Delta(8), ZSTD(1)"}, // Unix nanoseconds
		{Name: "source", Type: textColumn},
		{Name: "id", Type: "String", Codec: codecPlain}, // unique within tenant and source
		{Name: "entity_kind", Type: textColumn},
		{Name: "cluster", Type: textColumn},
		{Name: "namespace", Type: textColumn},
		{Name: "name", Type: "String", Codec: codecPlain},
		{Name: "uid", Type: "String", Codec: codecPlain},
		{Name: "severity", Type: "UInt8", Codec: codecPlain},
		{Name: "reason", Type: textColumn},
		{Name: "message", Type: "String", Codec: codecPlain},
		{Name: "count", Type: "UInt32", Codec: codecPlain},
		{Name: "attr_keys", Type: "Array(" + textColumn + ")"},
		{Name: "attr_kinds", Type: "Array(UInt8)", Codec: codecPlain}, // telemetry.Kind
		{Name: "attr_values", Type: "Array(String)", Codec: codecPlain},
		{Name: "change_kind", Type: textColumn}, // empty = no change; then the columns below are empty
		{Name: "reference", Type: "String", Codec: codecPlain},
		{Name: "author", Type: textColumn},
		{Name: "title", Type: "String", Codec: codecPlain},
		{Name: "before", Type: "String", Codec: codecPlain},
		{Name: "after", Type: "String", Codec: codecPlain},
		{Name: "url", Type: "String", Codec: codecPlain},
	},
	Engine:      "ReplacingMergeTree(count)",
	PartitionBy: dayOf("time"),
	OrderBy:     "tenant, time, source, id",
	Time:        dayOf("time"),
	ShardBy:     "sipHash64(source, id)",
}

// eventColumns build the rows of the table, and read them.
type eventColumns struct {
	time     proto.ColInt64
	severity proto.ColUInt8
	count    proto.ColUInt32
	few      map[string]*proto.ColLowCardinality[string]
	texts    map[string]*proto.ColStr

	keys   *proto.ColArr[string]
	kinds  *proto.ColArr[uint8]
	values *proto.ColArr[string]
	size   int
}

func newEventColumns() *eventColumns {
	c := &eventColumns{
		few: map[string]*proto.ColLowCardinality[string]{}, texts: map[string]*proto.ColStr{},
		keys:  proto.NewArray[string](new(proto.ColStr).LowCardinality()),
		kinds: proto.NewArray[uint8](new(proto.ColUInt8)), values: proto.NewArray[string](new(proto.ColStr)),
	}
	for _, col := range eventsTable.Columns {
		switch col.Type {
		case textColumn:
			c.few[col.Name] = new(proto.ColStr).LowCardinality()
		case "String":
			c.texts[col.Name] = new(proto.ColStr)
		}
	}
	return c
}

// Append adds a row; e.ID must be set. A plain event is a Change of no kind.
func (c *eventColumns) Append(tenant string, e *telemetry.Change) {
	few := func(name, value string) {
		c.few[name].Append(value)
		c.size += len(value)
	}
	text := func(name, value string) {
		c.texts[name].Append(value)
		c.size += len(value)
	}
	few("tenant", tenant)
	c.time = append(c.time, e.Time)
	few("source", e.Source)
	text("id", e.ID)
	few("entity_kind", e.Entity.Kind)
	few("cluster", e.Entity.Cluster)
	few("namespace", e.Entity.Namespace)
	text("name", e.Entity.Name)
	text("uid", e.Entity.UID)
	c.severity = append(c.severity, uint8(e.Severity))
	few("reason", e.Reason)
	text("message", e.Message)
	c.count = append(c.count, e.Count)
	keys, kinds, values := make([]string, len(e.Attrs)), make([]uint8, len(e.Attrs)), make([]string, len(e.Attrs))
	for i, a := range e.Attrs {
		keys[i], kinds[i], values[i] = a.Key, uint8(a.Value.Kind()), a.Value.String()
		c.size += len(a.Key) + len(values[i])
	}
	c.keys.Append(keys)
	c.kinds.Append(kinds)
	c.values.Append(values)
	few("change_kind", e.Kind)
	text("reference", e.Reference)
	few("author", e.Author)
	text("title", e.Title)
	text("before", e.Before)
	text("after", e.After)
	text("url", e.URL)
	c.size += 200
}

// data is the column of a name.
func (c *eventColumns) data(name string) proto.Column {
	switch name {
	case "time":
		return &c.time
	case "severity":
		return &c.severity
	case "count":
		return &c.count
	case "attr_keys":
		return c.keys
	case "attr_kinds":
		return c.kinds
	case "attr_values":
		return c.values
	}
	if col, ok := c.few[name]; ok {
		return col
	}
	return c.texts[name]
}

// Input implements batch.Columns.
func (c *eventColumns) Input() (in proto.Input) {
	for _, col := range eventsTable.Columns {
		in = append(in, proto.InputColumn{Name: col.Name, Data: c.data(col.Name)})
	}
	return in
}

// results are the columns for reading rows.
func (c *eventColumns) results() (out proto.Results) {
	for _, col := range eventsTable.Columns {
		out = append(out, proto.ResultColumn{Name: col.Name, Data: c.data(col.Name)})
	}
	return out
}

// row reads the i-th row.
func (c *eventColumns) row(i int) (e telemetry.Change) {
	few := func(name string) string { return c.few[name].Row(i) }
	text := func(name string) string { return c.texts[name].Row(i) }
	e.Event = telemetry.Event{
		Time: c.time[i], Source: few("source"), ID: text("id"),
		Entity:   telemetry.EntityRef{Kind: few("entity_kind"), Cluster: few("cluster"), Namespace: few("namespace"), Name: text("name"), UID: text("uid")},
		Severity: telemetry.Severity(c.severity[i]), Reason: few("reason"), Message: text("message"), Count: c.count[i],
	}
	keys, kinds, values := c.keys.Row(i), c.kinds.Row(i), c.values.Row(i)
	for j := range keys {
		e.Attrs = append(e.Attrs, telemetry.Attribute{Key: keys[j], Value: storedValue(telemetry.Kind(kinds[j]), values[j])})
	}
	e.Kind, e.Reference, e.Author, e.Title = few("change_kind"), text("reference"), few("author"), text("title")
	e.Before, e.After, e.URL = text("before"), text("after"), text("url")
	return e
}

// Rows implements batch.Columns.
func (c *eventColumns) Rows() int { return len(c.time) }

// Size implements batch.Columns.
func (c *eventColumns) Size() int { return c.size }

// Reset implements batch.Columns.
func (c *eventColumns) Reset() {
	for _, col := range eventsTable.Columns {
		c.data(col.Name).Reset()
	}
	c.size = 0
}
