package traces

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// Services lists the services that have spans in a range of time, sorted.
func (r *Reader) Services(ctx context.Context, tenant string, in Range) ([]string, storage.Stats, error) {
	l, err := r.listing(tenant, in, nil, 0)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	return l.texts(ctx, fmt.Sprintf("SELECT DISTINCT service AS text FROM %s WHERE %s AND service != '' LIMIT %d", spansTable.Name, spansWhere(tenant, l.in), l.limit))
}

// OperationName is one name under which a service has spans of one kind.
type OperationName struct {
	Name string
	Kind telemetry.SpanKind
}

// OperationNames lists the operations of a service in a range of time, by name
// and kind. It costs less than Operations.
func (r *Reader) OperationNames(ctx context.Context, tenant, service string, in Range) ([]OperationName, storage.Stats, error) {
	l, err := r.listing(tenant, in, nil, 0)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	var (
		name proto.ColStr
		kind proto.ColUInt8
		out  []OperationName
	)
	stats, err := r.db.Select(r.limited(ctx), storage.Select{
		SQL: fmt.Sprintf("SELECT CAST(name, 'String') AS n, kind FROM %s WHERE %s AND service = %s GROUP BY name, kind ORDER BY n, kind LIMIT %d",
			spansTable.Name, spansWhere(tenant, l.in), storage.String(service), l.limit),
		Result: proto.Results{{Name: "n", Data: &name}, {Name: "kind", Data: &kind}},
		OnBlock: func(rows int) error {
			for i := range rows {
				out = append(out, OperationName{name.Row(i), telemetry.SpanKind(kind[i])})
			}
			return nil
		},
	})
	return out, stats, limitError(err)
}

// Operation is what a service does under one name: its rate, errors and
// duration over some time.
type Operation struct {
	Service, Name string
	Kind          telemetry.SpanKind
	Calls         uint64
	Errors        uint64
	Duration      int64 // nanoseconds, of all calls together
	P50, P95, P99 int64 // nanoseconds, approximately
}

// Operations lists the operations of a service (empty = of all) in a range of
// time, at most QueryConfig.MaxValues of them, by service, name and kind.
// Spans that were stored twice count twice in the percentiles only.
func (r *Reader) Operations(ctx context.Context, tenant, service string, in Range) ([]Operation, storage.Stats, error) {
	l, err := r.listing(tenant, in, nil, 0)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	where := spansWhere(tenant, l.in)
	if service != "" {
		where += " AND service = " + storage.String(service)
	}
	var (
		text    [2]proto.ColStr
		kind    proto.ColUInt8
		numbers [2]proto.ColUInt64
		nanos   [4]proto.ColInt64
		out     []Operation
	)
	stats, err := r.db.Select(r.limited(ctx), storage.Select{
		SQL: fmt.Sprintf(`SELECT CAST(service, 'String') AS s, CAST(name, 'String') AS n, kind, uniqExact(cityHash64(trace_id, span_id, kind)) AS calls, uniqExactIf(cityHash64(trace_id, span_id, kind), status = 2) AS errors,
  toInt64(sum(duration) / count() * calls) AS total, quantiles(0.5, 0.95, 0.99)(duration) AS q, toInt64(q[1]) AS p50, toInt64(q[2]) AS p95, toInt64(q[3]) AS p99
FROM %s WHERE %s GROUP BY service, name, kind ORDER BY service, name, kind LIMIT %d`, spansTable.Name, where, l.limit),
		Result: proto.Results{
			{Name: "s", Data: &text[0]}, {Name: "n", Data: &text[1]}, {Name: "kind", Data: &kind}, {Name: "calls", Data: &numbers[0]}, {Name: "errors", Data: &numbers[1]},
			{Name: "total", Data: &nanos[0]}, {Name: "q", Data: new(proto.ColFloat64).Array()}, {Name: "p50", Data: &nanos[1]}, {Name: "p95", Data: &nanos[2]}, {Name: "p99", Data: &nanos[3]},
		},
		OnBlock: func(rows int) error {
			for i := range rows {
				out = append(out, Operation{
					Service: text[0].Row(i), Name: text[1].Row(i), Kind: telemetry.SpanKind(kind[i]), Calls: numbers[0][i], Errors: numbers[1][i],
					Duration: nanos[0][i], P50: nanos[1][i], P95: nanos[2][i], P99: nanos[3][i],
				})
			}
			return nil
		},
	})
	return out, stats, limitError(err)
}
