package metrics

import (
	"context"
	"fmt"
	"time"

	wstorage "github.com/watchfire/watchfire/storage"
)

// Cardinality says what makes a tenant's series many, on one day.
type Cardinality struct {
	Series        uint64
	LabelPairs    uint64
	ByMetric      []Count // series of the metrics that have most
	ByLabelValue  []Count // series of the label=value pairs that have most
	ValuesByLabel []Count // values of the labels that have most
}

// Count is a name with its number.
type Count struct {
	Name  string
	Value uint64
}

// Cardinality counts the series of the UTC day of at, with the limit biggest
// of each list.
func (s *Store) Cardinality(ctx context.Context, tenant string, at time.Time, limit int) (Cardinality, error) {
	ms := at.UnixMilli()
	where := joinSQL("tenant = "+wstorage.String(tenant), daysSQL(ms, ms))
	var (
		c   Cardinality
		err error
	)
	count := func(into *uint64, sql string) {
		if err == nil {
			var rows []Count
			if rows, err = s.counts(ctx, sql); err == nil && len(rows) > 0 {
				*into = rows[0].Value
			}
		}
	}
	list := func(into *[]Count, sql string) {
		if err == nil {
			*into, err = s.counts(ctx, fmt.Sprintf("%s ORDER BY n DESC, x LIMIT %d", sql, limit))
		}
	}
	count(&c.Series, fmt.Sprintf("SELECT '' AS x, uniqExact(id) AS n FROM %s WHERE %s", seriesTable.Name, where))
	count(&c.LabelPairs, fmt.Sprintf("SELECT '' AS x, uniqExact(name, value) AS n FROM %s WHERE %s", labelsTable.Name, where))
	list(&c.ByMetric, fmt.Sprintf("SELECT toString(metric) AS x, uniqExact(id) AS n FROM %s WHERE %s GROUP BY x", seriesTable.Name, where))
	list(&c.ValuesByLabel, fmt.Sprintf("SELECT toString(name) AS x, uniqExact(value) AS n FROM %s WHERE %s GROUP BY x", labelsTable.Name, where))
	list(&c.ByLabelValue, fmt.Sprintf("SELECT concat(pair.1, '=', pair.2) AS x, uniq(id) AS n FROM %s ARRAY JOIN mapConcat(labels, map('__name__', toString(metric))) AS pair WHERE %s GROUP BY x", seriesTable.Name, where))
	return c, err
}

func (s *Store) counts(ctx context.Context, sql string) ([]Count, error) {
	rows, err := s.client.Query(s.limited(ctx), sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []Count{}
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Name, &c.Value); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}
