package metrics

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	wstorage "github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// Metadata lists what is known of a metric family, or of all when metric is
// empty, ordered by name, at most perMetric of each and of limit families; 0 =
// all.
func (s *Store) Metadata(ctx context.Context, tenant, metric string, limit, perMetric int) ([]telemetry.MetricMetadata, error) {
	where := "tenant = " + wstorage.String(tenant)
	if metric != "" {
		where += " AND metric = " + wstorage.String(metric)
	}
	sql := fmt.Sprintf("SELECT metric, CAST(type AS String) AS typ, CAST(unit AS String) AS unit_, help, max(seen) AS last FROM %s WHERE %s GROUP BY metric, typ, unit_, help ORDER BY metric, last DESC, typ, unit_, help", metadataTable.Name, where)
	if perMetric > 0 {
		sql += fmt.Sprintf(" LIMIT %d BY metric", perMetric)
	}
	var (
		names, types, units, helps proto.ColStr
		seen                       proto.ColDate
		out                        []telemetry.MetricMetadata
		families                   int
	)
	_, err := s.client.Select(s.limited(ctx), wstorage.Select{
		SQL: sql,
		Result: proto.Results{{Name: "metric", Data: &names}, {Name: "typ", Data: &types}, {Name: "unit_", Data: &units},
			{Name: "help", Data: &helps}, {Name: "last", Data: &seen}},
		OnBlock: func(n int) error {
			for i := range n {
				m := telemetry.MetricMetadata{Metric: names.Row(i), Type: types.Row(i), Unit: units.Row(i), Help: helps.Row(i)}
				if len(out) == 0 || out[len(out)-1].Metric != m.Metric {
					if families++; limit > 0 && families > limit {
						return errEnough
					}
				}
				out = append(out, m)
			}
			return nil
		},
	})
	if err != nil && err != errEnough {
		return nil, err
	}
	return out, nil
}
