package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Entry is one element of a stream.
type Entry struct {
	Sequence int64     // 1, 2, 3, ... without gaps
	Added    time.Time // by the database's clock, to the millisecond
	Value    json.RawMessage
}

// Append adds value at the end of a stream, which begins to exist with its
// first entry, and returns its sequence. Entries can't be changed or removed.
// A json.RawMessage is kept byte by byte. An entry that depends on the one
// before, as in a hash chain, is made in one transaction with Last.
func (tx *Tx) Append(ctx context.Context, tenant, stream string, value any) (sequence int64, err error) {
	if err := checkNames(tenant, stream); err != nil {
		return 0, err
	}
	text, err := encode(value)
	if err != nil {
		return 0, fmt.Errorf("stream %q of tenant %q: %w", stream, tenant, err)
	}
	err = tx.q.QueryRowContext(ctx, `INSERT INTO records_entries (tenant, stream, sequence, added, value)
SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), coalesce(max(sequence), 0) + 1, `+tx.dialect.now+`, CAST($3 AS TEXT) FROM records_entries WHERE tenant = $1 AND stream = $2
RETURNING sequence`, tenant, stream, text).Scan(&sequence)
	if err != nil {
		return 0, classify(err)
	}
	tx.revision++
	return sequence, nil
}

// Append is Tx.Append in a transaction of its own.
func (db *DB) Append(ctx context.Context, tenant, stream string, value any) (sequence int64, err error) {
	err = db.Update(ctx, func(tx *Tx) error {
		sequence, err = tx.Append(ctx, tenant, stream, value)
		return err
	})
	return sequence, err
}

// Entries returns at most limit entries from sequence from on, in order; a
// limit of zero is none.
func (r reader) Entries(ctx context.Context, tenant, stream string, from int64, limit int) ([]Entry, error) {
	text := "SELECT " + entryColumns + " FROM records_entries WHERE tenant = $1 AND stream = $2 AND sequence >= $3 ORDER BY sequence"
	args := []any{tenant, stream, from}
	if limit > 0 {
		text += " LIMIT $4"
		args = append(args, limit)
	}
	return collect(ctx, r.q, func(rows *sql.Rows) (Entry, error) { return scanEntry(rows) }, text, args...)
}

// Last returns the newest entry, or ErrNotFound.
func (r reader) Last(ctx context.Context, tenant, stream string) (Entry, error) {
	row := r.q.QueryRowContext(ctx, "SELECT "+entryColumns+" FROM records_entries WHERE tenant = $1 AND stream = $2 ORDER BY sequence DESC LIMIT 1", tenant, stream)
	e, err := scanEntry(row)
	if errors.Is(err, sql.ErrNoRows) {
		return Entry{}, fmt.Errorf("stream %q of tenant %q: %w", stream, tenant, ErrNotFound)
	}
	return e, classify(err)
}

// Streams returns the names of a tenant's streams, in order.
func (r reader) Streams(ctx context.Context, tenant string) ([]string, error) {
	scan := func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) }
	return collect(ctx, r.q, scan, "SELECT DISTINCT stream FROM records_entries WHERE tenant = $1 ORDER BY stream", tenant)
}

const entryColumns = "sequence, added, value"

func scanEntry(row interface{ Scan(...any) error }) (e Entry, err error) {
	var added int64
	var value string
	err = row.Scan(&e.Sequence, &added, &value)
	e.Added, e.Value = time.UnixMilli(added).UTC(), json.RawMessage(value)
	return e, err
}
