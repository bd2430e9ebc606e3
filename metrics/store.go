package metrics

import (
	"context"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/storage"

	wstorage "github.com/watchfire/watchfire/storage"
)

// Store reads metrics from ClickHouse. It is safe for concurrent use.
type Store struct {
	client *wstorage.Client
	cfg    QueryConfig
	cache  *seriesCache // nil caches nothing
}

// NewStore returns a Store that reads through client. When only writer writes
// to the database, it may be given: then series that were looked up are
// remembered until it registers new ones. With other writers it must be nil.
func NewStore(cfg QueryConfig, client *wstorage.Client, writer *Writer) *Store {
	s := &Store{client: client, cfg: cfg}
	if writer != nil {
		s.cache = newSeriesCache(cfg.CachedSeries, writer.generations)
	}
	return s
}

// Queryable is a Store as Prometheus' engine and API want it: storage.Queryable,
// storage.ChunkQueryable and storage.ExemplarQueryable.
type Queryable struct {
	s      *Store
	tenant func(context.Context) string
}

// Queryable reads the tenant that the function takes from a query's context,
// such as server.Tenant.
func (s *Store) Queryable(tenant func(context.Context) string) *Queryable {
	return &Queryable{s: s, tenant: tenant}
}

// Querier implements storage.Queryable.
func (q *Queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{Queryable: q, mint: clampTime(mint), maxt: clampTime(maxt)}, nil
}

// ChunkQuerier implements storage.ChunkQueryable.
func (q *Queryable) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	return &chunkQuerier{querier{Queryable: q, mint: clampTime(mint), maxt: clampTime(maxt)}}, nil
}

// ExemplarQuerier implements storage.ExemplarQueryable.
func (q *Queryable) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	return &exemplarQuerier{Queryable: q, ctx: ctx}, nil
}

// clampTime keeps clear of overflows: the API's default bounds are the ends of
// int64.
func clampTime(t int64) int64 { return max(minTime, min(maxTime, t)) }

// StartTime is the time of a tenant's first day with samples, in Unix
// milliseconds; math.MaxInt64 when it has none.
func (s *Store) StartTime(ctx context.Context, tenant string) (int64, error) {
	rows, err := s.client.Query(ctx, fmt.Sprintf("SELECT toUInt16(min(month)), count() FROM %s WHERE tenant = %s", seriesTable.Name, wstorage.String(tenant)))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var (
		month uint16
		n     uint64
	)
	for rows.Next() {
		if err := rows.Scan(&month, &n); err != nil {
			return 0, err
		}
	}
	if err := rows.Err(); err != nil || n == 0 {
		return math.MaxInt64, err
	}
	return int64(month) * msPerDay, nil
}
