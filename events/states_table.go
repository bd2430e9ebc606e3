package events

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// State is what an object looked like from a moment on.
type State struct {
	Time    int64 // Unix nanoseconds at which it was seen to be so
	Entity  telemetry.EntityRef
	Version string // the object's own, such as Kubernetes' resourceVersion
	Object  string // JSON; may be empty when Deleted
	Deleted bool
}

// statesTable holds a row for each state that was seen. Retention deletes old
// rows: whoever writes states writes those of unchanged objects again, once a
// day is enough, or they are forgotten.
var statesTable = storage.Table{
	Name: "object_states",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn},
		{Name: "cluster", Type: textColumn},
		{Name: "kind", Type: textColumn},
		{Name: "namespace", Type: textColumn},
		{Name: "name", Type: "String", Codec: codecPlain},
		{Name: "time", Type: "Int64", Codec: "Delta(8), ZSTD(1)"}, // Unix nanoseconds
		{Name: "uid", Type: "String", Codec: codecPlain},
		{Name: "version", Type: "String", Codec: codecPlain},
		{Name: "deleted", Type: "UInt8", Codec: codecPlain},
		{Name: "object", Type: "String", Codec: "ZSTD(3)"}, // JSON
	},
	Engine:      "ReplacingMergeTree",
	PartitionBy: dayOf("time"),
	OrderBy:     "tenant, cluster, kind, namespace, name, time, uid, version",
	Time:        dayOf("time"),
	ShardBy:     "sipHash64(cluster, kind, namespace, name)",
}

// stateColumns build the table's rows, and read them.
type stateColumns struct {
	tenant, cluster, kind, namespace *proto.ColLowCardinality[string]
	name, uid, version, object       proto.ColStr
	time                             proto.ColInt64
	deleted                          proto.ColUInt8
}

func newStateColumns() *stateColumns {
	few := func() *proto.ColLowCardinality[string] { return new(proto.ColStr).LowCardinality() }
	return &stateColumns{tenant: few(), cluster: few(), kind: few(), namespace: few()}
}

// Append adds a row.
func (c *stateColumns) Append(tenant string, s *State) {
	c.tenant.Append(tenant)
	c.cluster.Append(s.Entity.Cluster)
	c.kind.Append(s.Entity.Kind)
	c.namespace.Append(s.Entity.Namespace)
	c.name.Append(s.Entity.Name)
	c.time = append(c.time, s.Time)
	c.uid.Append(s.Entity.UID)
	c.version.Append(s.Version)
	deleted := uint8(0)
	if s.Deleted {
		deleted = 1
	}
	c.deleted = append(c.deleted, deleted)
	c.object.Append(s.Object)
}

// named are the columns in the table's order.
func (c *stateColumns) named() []struct {
	name string
	data proto.Column
} {
	return []struct {
		name string
		data proto.Column
	}{
		{"tenant", c.tenant}, {"cluster", c.cluster}, {"kind", c.kind}, {"namespace", c.namespace}, {"name", &c.name},
		{"time", &c.time}, {"uid", &c.uid}, {"version", &c.version}, {"deleted", &c.deleted}, {"object", &c.object},
	}
}

// Input implements batch.Columns.
func (c *stateColumns) Input() (in proto.Input) {
	for _, col := range c.named() {
		in = append(in, proto.InputColumn{Name: col.name, Data: col.data})
	}
	return in
}

// results are the columns for reading rows.
func (c *stateColumns) results() (out proto.Results) {
	for _, col := range c.named() {
		out = append(out, proto.ResultColumn{Name: col.name, Data: col.data})
	}
	return out
}

// row reads the i-th row.
func (c *stateColumns) row(i int) State {
	return State{
		Time:    c.time[i],
		Entity:  telemetry.EntityRef{Kind: c.kind.Row(i), Cluster: c.cluster.Row(i), Namespace: c.namespace.Row(i), Name: c.name.Row(i), UID: c.uid.Row(i)},
		Version: c.version.Row(i), Object: c.object.Row(i), Deleted: c.deleted[i] != 0,
	}
}

// Rows implements batch.Columns.
func (c *stateColumns) Rows() int { return len(c.time) }

// Size implements batch.Columns.
func (c *stateColumns) Size() int {
	return len(c.time)*60 + len(c.name.Buf) + len(c.uid.Buf) + len(c.version.Buf) + len(c.object.Buf)
}

// Reset implements batch.Columns.
func (c *stateColumns) Reset() {
	for _, col := range c.named() {
		col.data.Reset()
	}
}
