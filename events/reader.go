package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// Selector runs queries; *storage.Client is one.
type Selector interface {
	Select(ctx context.Context, q storage.Select) (storage.Stats, error)
}

// Reader answers queries of one tenant each. It is safe for concurrent use.
type Reader struct {
	cfg QueryConfig
	db  Selector
	now func() time.Time
}

// NewReader returns a Reader over db. A nil now is time.Now.
func NewReader(cfg QueryConfig, db Selector, now func() time.Time) *Reader {
	if now == nil {
		now = time.Now
	}
	return &Reader{cfg: cfg, db: db, now: now}
}

// Filter asks for events; empty fields ask for all.
type Filter struct {
	From, To    int64 // Unix nanoseconds, To is not in; both 0 = the last QueryConfig.Lookback
	Entity      telemetry.EntityRef
	Source      string
	Reason      string
	MinSeverity telemetry.Severity
	Changes     bool   // changes only
	ChangeKind  string // of changes
	Text        string // in the message or title, in either case
	Limit       int    // 0 = 100
}

// defaultLimit is of a Filter that has none.
const defaultLimit = 100

// Events returns what happened, newest first, each event once, in its latest
// form within the range. A plain event is a Change of no Kind.
func (r *Reader) Events(ctx context.Context, tenant string, f Filter) ([]telemetry.Change, storage.Stats, error) {
	if f.From == 0 && f.To == 0 {
		f.To = r.now().UnixNano() + int64(time.Minute) // of clocks that are ahead
		f.From = f.To - int64(time.Minute) - int64(r.cfg.Lookback)
	}
	if f.To <= f.From {
		return nil, storage.Stats{}, server.Invalid("start %s is not before end %s", instant(f.From), instant(f.To))
	}
	limit, err := r.limit(f.Limit)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	var (
		c   = newEventColumns()
		out []telemetry.Change
	)
	stats, err := r.db.Select(r.limited(ctx), storage.Select{
		SQL:    f.sql(tenant, limit),
		Result: c.results(),
		OnBlock: func(rows int) error {
			for i := range rows {
				out = append(out, c.row(i))
			}
			return nil
		},
	})
	return out, stats, limitError("events", err)
}

// sql takes the latest row of each event before it filters by what later rows
// may have changed.
func (f Filter) sql(tenant string, limit int) string {
	var names []string
	for _, col := range eventsTable.Columns {
		names = append(names, storage.Ident(col.Name))
	}
	where := []string{"tenant = " + storage.String(tenant), fmt.Sprintf("time >= %d AND time < %d", f.From, f.To)}
	equal := func(column, value string) {
		if value != "" {
			where = append(where, storage.Ident(column)+" = "+storage.String(value))
		}
	}
	equal("entity_kind", f.Entity.Kind)
	equal("cluster", f.Entity.Cluster)
	equal("namespace", f.Entity.Namespace)
	equal("name", f.Entity.Name)
	equal("uid", f.Entity.UID)
	equal("source", f.Source)
	equal("reason", f.Reason)
	equal("change_kind", f.ChangeKind)
	if f.Changes {
		where = append(where, "change_kind != ''")
	}
	if f.MinSeverity > 0 {
		where = append(where, fmt.Sprintf("severity >= %d", f.MinSeverity))
	}
	if f.Text != "" {
		text := storage.String(f.Text)
		where = append(where, "(positionCaseInsensitiveUTF8(message, "+text+") > 0 OR positionCaseInsensitiveUTF8(title, "+text+") > 0)")
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY time DESC, count DESC LIMIT 1 BY source, id LIMIT %d",
		strings.Join(names, ", "), eventsTable.Name, strings.Join(where, " AND "), limit)
}

// StateFilter asks for states of objects; empty fields ask for all.
type StateFilter struct {
	At     int64 // Unix nanoseconds, 0 = now
	Entity telemetry.EntityRef
	Limit  int // 0 = 100
}

// StatesAsOf returns how the objects looked at a moment, by cluster, kind,
// namespace and name; those that were deleted by then are not in it.
func (r *Reader) StatesAsOf(ctx context.Context, tenant string, f StateFilter) ([]State, storage.Stats, error) {
	at := f.At
	if at == 0 {
		at = r.now().UnixNano()
	}
	limit, err := r.limit(f.Limit)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	inner := fmt.Sprintf("SELECT %s FROM %s WHERE %s AND time <= %d ORDER BY cluster, kind, namespace, name, time DESC, deleted, version DESC LIMIT 1 BY cluster, kind, namespace, name",
		stateNames(), statesTable.Name, f.where(tenant), at)
	return r.states(ctx, fmt.Sprintf("SELECT * FROM (%s) WHERE deleted = 0 ORDER BY cluster, kind, namespace, name LIMIT %d", inner, limit))
}

// StateHistory returns the states of objects up to a moment, newest first.
func (r *Reader) StateHistory(ctx context.Context, tenant string, f StateFilter) ([]State, storage.Stats, error) {
	at := f.At
	if at == 0 {
		at = r.now().UnixNano()
	}
	limit, err := r.limit(f.Limit)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	return r.states(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s AND time <= %d ORDER BY time DESC LIMIT 1 BY cluster, kind, namespace, name, uid, version, deleted LIMIT %d",
		stateNames(), statesTable.Name, f.where(tenant), at, limit))
}

func (f StateFilter) where(tenant string) string {
	where := "tenant = " + storage.String(tenant)
	for _, c := range [][2]string{{"cluster", f.Entity.Cluster}, {"kind", f.Entity.Kind}, {"namespace", f.Entity.Namespace}, {"name", f.Entity.Name}, {"uid", f.Entity.UID}} {
		if c[1] != "" {
			where += " AND " + storage.Ident(c[0]) + " = " + storage.String(c[1])
		}
	}
	return where
}

func stateNames() string {
	var names []string
	for _, col := range statesTable.Columns {
		names = append(names, storage.Ident(col.Name))
	}
	return strings.Join(names, ", ")
}

func (r *Reader) states(ctx context.Context, sql string) ([]State, storage.Stats, error) {
	var (
		c   = newStateColumns()
		out []State
	)
	stats, err := r.db.Select(r.limited(ctx), storage.Select{
		SQL:    sql,
		Result: c.results(),
		OnBlock: func(rows int) error {
			out = slices.Grow(out, rows)
			for i := range rows {
				out = append(out, c.row(i))
			}
			return nil
		},
	})
	return out, stats, limitError("states", err)
}

func (r *Reader) limit(n int) (int, error) {
	if n == 0 {
		return min(defaultLimit, r.cfg.MaxResults), nil
	}
	if n < 0 || n > r.cfg.MaxResults {
		return 0, server.Invalid("limit of %d is not between 1 and %d, the value of events.query.max_results", n, r.cfg.MaxResults)
	}
	return n, nil
}

func (r *Reader) limited(ctx context.Context) context.Context {
	return storage.WithLimits(ctx, storage.Limits{MaxTime: r.cfg.Timeout, MaxRowsRead: r.cfg.MaxRowsRead, MaxMemory: r.cfg.MaxMemory})
}

// limitError names the options of a query that ran into a limit.
func limitError(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrLimit):
		return server.Unprocessable("cannot read %s: %w: ask for a shorter time or a narrower filter, or raise events.query.timeout, max_rows_read or max_memory", what, err)
	case errors.Is(err, storage.ErrUnavailable):
		return server.Unavailable(5*time.Second, "cannot read %s: %w", what, err)
	}
	return fmt.Errorf("cannot read %s: %w", what, err)
}

func instant(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339Nano) }
