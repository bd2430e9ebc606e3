package traces

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// spansTable is for searching: what spans are filtered by, as columns. Equal
// spans lie side by side and collapse in queries; the whole span is in
// byTraceTable.
var spansTable = storage.Table{
	Name: "spans",
	Columns: []storage.Column{
		{Name: "tenant", Type: textColumn},
		{Name: "slot", Type: "UInt32", Codec: "Delta(4), ZSTD(1)"}, // slotAt(start)
		{Name: "service", Type: textColumn},                        // resource.service.name, empty = none
		{Name: "name", Type: textColumn},
		{Name: "start", Type: "Int64", Codec: "Delta(8), ZSTD(1)"}, // Unix nanoseconds
		{Name: "duration", Type: "Int64", Codec: "T64, ZSTD(1)"},   // nanoseconds
		{Name: "trace_id", Type: "FixedString(16)", Codec: codecPlain},
		{Name: "span_id", Type: "FixedString(8)", Codec: codecPlain},
		{Name: "parent_id", Type: "FixedString(8)", Codec: codecPlain}, // zeros = a root
		{Name: "kind", Type: "UInt8", Codec: codecPlain},               // numbered as in OTLP
		{Name: "status", Type: "UInt8", Codec: codecPlain},             // numbered as in OTLP
		{Name: "status_message", Type: "String", Codec: codecPlain},
		{Name: "application", Type: textColumn},
		{Name: "cluster", Type: textColumn},
		{Name: "namespace", Type: textColumn},
		{Name: "resource_id", Type: "UInt64", Codec: codecPlain}, // resourcesTable.id
		{Name: "scope_name", Type: textColumn},
		{Name: "scope_version", Type: textColumn},
		{Name: "attrs", Type: "Map(" + textColumn + ", String)", Codec: codecPlain}, // values as text
		{Name: "attr_kinds", Type: "Array(UInt8)", Codec: codecPlain},               // kindNumber of each pair of attrs
		{Name: "event_names", Type: "Array(" + textColumn + ")"},
		{Name: "link_traces", Type: "Array(FixedString(16))", Codec: codecPlain},
		{Name: "link_spans", Type: "Array(FixedString(8))", Codec: codecPlain},
		{Name: "peer", Type: textColumn},      // what a client or producer says it calls, see peerOf
		{Name: "peer_kind", Type: textColumn}, // database, messaging, service, external; empty = no peer
	},
	Extra: []string{
		"INDEX attr_values mapValues(attrs) TYPE bloom_filter(0.01) GRANULARITY 1",
	},
	Engine:      "MergeTree",
	PartitionBy: dayOf("start"),
	OrderBy:     "tenant, slot, service, name, start",
	Time:        dayOf("start"),
	ShardBy:     "sipHash64(trace_id)",
}

// spanColumns build the table's rows.
type spanColumns struct {
	tenant, service, name           dictColumn
	slot                            proto.ColUInt32
	start, duration                 proto.ColInt64
	traceID                         proto.ColFixedStr16
	spanID, parentID                proto.ColFixedStr8
	kind, status                    proto.ColUInt8
	statusMessage                   proto.ColStr
	application, cluster, namespace dictColumn
	resourceID                      proto.ColUInt64
	scopeName, scopeVersion         dictColumn
	attrs                           mapColumn
	attrKinds                       arrayColumn[*proto.ColUInt8]
	eventNames                      arrayColumn[*dictColumn]
	linkTraces                      arrayColumn[*proto.ColFixedStr16]
	linkSpans                       arrayColumn[*proto.ColFixedStr8]
	peer, peerKind                  dictColumn
}

func newSpanColumns() *spanColumns {
	c := &spanColumns{}
	c.attrKinds.values = &proto.ColUInt8{}
	c.eventNames.values = &dictColumn{}
	c.linkTraces.values = &proto.ColFixedStr16{}
	c.linkSpans.values = &proto.ColFixedStr8{}
	return c
}

// Append adds a row.
func (c *spanColumns) Append(tenant string, s *telemetry.Span, r *resource) {
	c.tenant.Append(tenant)
	c.slot = append(c.slot, slotAt(s.Start))
	c.service.Append(r.service)
	c.name.Append(s.Name)
	c.start = append(c.start, s.Start)
	c.duration = append(c.duration, s.Duration)
	c.traceID = append(c.traceID, s.TraceID)
	c.spanID = append(c.spanID, s.SpanID)
	c.parentID = append(c.parentID, s.ParentID)
	c.kind = append(c.kind, uint8(s.Kind))
	c.status = append(c.status, uint8(s.Status))
	c.statusMessage.Append(s.StatusMessage)
	c.application.Append(r.application)
	c.cluster.Append(r.cluster)
	c.namespace.Append(r.namespace)
	c.resourceID = append(c.resourceID, r.id)
	c.scopeName.Append(s.Scope.Name)
	c.scopeVersion.Append(s.Scope.Version)
	appendAttributes(&c.attrs, &c.attrKinds, s.Attributes)
	for i := range s.Events {
		c.eventNames.values.Append(s.Events[i].Name)
	}
	c.eventNames.EndRow()
	for i := range s.Links {
		*c.linkTraces.values = append(*c.linkTraces.values, s.Links[i].TraceID)
		*c.linkSpans.values = append(*c.linkSpans.values, s.Links[i].SpanID)
	}
	c.linkTraces.EndRow()
	c.linkSpans.EndRow()
	kind, peer := peerOf(s)
	c.peer.Append(peer)
	c.peerKind.Append(kind)
}

// Input implements batch.Columns.
func (c *spanColumns) Input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &c.tenant},
		{Name: "slot", Data: &c.slot},
		{Name: "service", Data: &c.service},
		{Name: "name", Data: &c.name},
		{Name: "start", Data: &c.start},
		{Name: "duration", Data: &c.duration},
		{Name: "trace_id", Data: &c.traceID},
		{Name: "span_id", Data: &c.spanID},
		{Name: "parent_id", Data: &c.parentID},
		{Name: "kind", Data: &c.kind},
		{Name: "status", Data: &c.status},
		{Name: "status_message", Data: &c.statusMessage},
		{Name: "application", Data: &c.application},
		{Name: "cluster", Data: &c.cluster},
		{Name: "namespace", Data: &c.namespace},
		{Name: "resource_id", Data: &c.resourceID},
		{Name: "scope_name", Data: &c.scopeName},
		{Name: "scope_version", Data: &c.scopeVersion},
		{Name: "attrs", Data: &c.attrs},
		{Name: "attr_kinds", Data: &c.attrKinds},
		{Name: "event_names", Data: &c.eventNames},
		{Name: "link_traces", Data: &c.linkTraces},
		{Name: "link_spans", Data: &c.linkSpans},
		{Name: "peer", Data: &c.peer},
		{Name: "peer_kind", Data: &c.peerKind},
	}
}

// Rows implements batch.Columns.
func (c *spanColumns) Rows() int { return len(c.start) }

// Size implements batch.Columns.
func (c *spanColumns) Size() int {
	const fixed = 4 + 8 + 8 + 16 + 8 + 8 + 1 + 1 + 8 + 8*4 + 9 // bytes a row of fixed width, offsets and dictionary keys
	return len(c.start)*fixed + len(c.statusMessage.Buf) + c.attrs.Size() + c.name.size + c.service.size
}

// Reset implements batch.Columns.
func (c *spanColumns) Reset() {
	for _, d := range c.Input() {
		d.Data.(proto.Resettable).Reset()
	}
}
