package traces

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// Endpoint is one side of an Edge. Cluster and namespace belong to it: two
// clusters with equal names inside never mix.
type Endpoint struct {
	Service     string // or the name of a peer that sends no spans, see Edge.Kind
	Application string
	Cluster     string
	Namespace   string
}

// Edge is the calls from one service to another in some time.
type Edge struct {
	Source, Target Endpoint
	// Kind is PeerService when both sides sent spans, PeerMessaging when they
	// did and the calls went through a queue. Else only the caller's spans
	// tell: a database, a queue nobody reads, a service without spans or an
	// external host, which Target.Service names.
	Kind     string
	Observed bool // both sides sent spans
	Calls    uint64
	Errors   uint64
	Duration int64 // nanoseconds, of all calls together, as the caller saw them
}

// edgeSlack is how long after its caller a callee may start.
const edgeSlack = time.Hour

// Edges derives from the spans of a time who calls whom: a server's or
// consumer's span whose parent, or one of whose links, is of another service
// is a call; a client's or producer's span that no such span belongs to is a
// call of the peer that its attributes name. At most QueryConfig.MaxValues
// edges are returned, those with the most calls.
func (r *Reader) Edges(ctx context.Context, tenant string, in Range) ([]Edge, storage.Stats, error) {
	in, err := r.rangeOf(in)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	var (
		text    [9]proto.ColStr
		flag    proto.ColUInt8
		numbers [2]proto.ColUInt64
		nanos   proto.ColInt64
		out     []Edge
	)
	names := []string{"source", "source_application", "source_cluster", "source_namespace", "target", "target_application", "target_cluster", "target_namespace", "edge_kind"}
	var result proto.Results
	for i, name := range names {
		result = append(result, proto.ResultColumn{Name: name, Data: &text[i]})
	}
	result = append(result, proto.ResultColumn{Name: "found", Data: &flag}, proto.ResultColumn{Name: "calls", Data: &numbers[0]},
		proto.ResultColumn{Name: "errors", Data: &numbers[1]}, proto.ResultColumn{Name: "nanos", Data: &nanos})
	stats, err := r.db.Select(r.limited(ctx), storage.Select{
		SQL:    edgesSQL(tenant, in, r.cfg.MaxValues),
		Result: result,
		OnBlock: func(rows int) error {
			for i := range rows {
				end := func(at int) Endpoint {
					return Endpoint{text[at].Row(i), text[at+1].Row(i), text[at+2].Row(i), text[at+3].Row(i)}
				}
				out = append(out, Edge{Source: end(0), Target: end(4), Kind: text[8].Row(i), Observed: flag[i] != 0, Calls: numbers[0][i], Errors: numbers[1][i], Duration: nanos[i]})
			}
			return nil
		},
	})
	return out, stats, limitError(err)
}

// edgesSQL joins spans with those that they call. Only the called side is held
// in memory; spans that were stored twice are dropped after the join, where
// they are fewest.
func edgesSQL(tenant string, in Range, limit int) string {
	called := Range{in.From - int64(time.Minute), in.To + int64(edgeSlack)}
	const (
		server, client     = telemetry.SpanKindServer, telemetry.SpanKindClient
		producer, consumer = telemetry.SpanKindProducer, telemetry.SpanKindConsumer
	)
	return fmt.Sprintf(`SELECT CAST(source, 'String') AS source, CAST(source_application, 'String') AS source_application, CAST(source_cluster, 'String') AS source_cluster, CAST(source_namespace, 'String') AS source_namespace,
  CAST(target, 'String') AS target, CAST(target_application, 'String') AS target_application, CAST(target_cluster, 'String') AS target_cluster, CAST(target_namespace, 'String') AS target_namespace,
  CAST(edge_kind, 'String') AS edge_kind, found, count() AS calls, countIf(failed) AS errors, sum(nanos) AS nanos
FROM
(
  SELECT p.service AS source, p.application AS source_application, p.cluster AS source_cluster, p.namespace AS source_namespace,
    if(c.found, c.service, p.peer) AS target, c.application AS target_application, c.cluster AS target_cluster, c.namespace AS target_namespace,
    multiIf(NOT c.found, p.peer_kind, c.kind = %[6]d, '%[8]s', '%[7]s') AS edge_kind, c.found AS found,
    p.status = 2 OR c.status = 2 AS failed, if(c.found AND p.kind NOT IN (%[4]d, %[5]d), c.duration, p.duration) AS nanos,
    cityHash64(p.trace_id, p.span_id, p.kind, c.own_trace, c.own_span) AS call
  FROM (SELECT trace_id, span_id, kind, service, application, cluster, namespace, peer, peer_kind, status, duration FROM %[1]s WHERE %[2]s AND service != '') AS p
  LEFT JOIN
  (
    SELECT trace_id AS own_trace, span_id AS own_span, link.1 AS of_trace, link.2 AS of_span, kind, service, application, cluster, namespace, status, duration, toUInt8(1) AS found
    FROM %[1]s
    ARRAY JOIN arrayDistinct(arrayConcat([(trace_id, parent_id)], if(kind = %[6]d, arrayZip(link_traces, link_spans), []))) AS link
    WHERE %[3]s AND kind IN (0, %[9]d, %[6]d) AND service != '' AND link.2 != %[10]s
  ) AS c ON p.trace_id = c.of_trace AND p.span_id = c.of_span
  WHERE if(c.found, (c.service, c.cluster, c.namespace) != (p.service, p.cluster, p.namespace), p.peer_kind != '')
  LIMIT 1 BY call
)
GROUP BY source, source_application, source_cluster, source_namespace, target, target_application, target_cluster, target_namespace, edge_kind, found
ORDER BY calls DESC, source, target LIMIT %[11]d`,
		spansTable.Name, spansWhere(tenant, in), spansWhere(tenant, called), client, producer, consumer, PeerService, PeerMessaging, server, noParent, limit)
}
