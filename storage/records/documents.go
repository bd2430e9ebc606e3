package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Key names a document. All three parts are needed.
type Key struct{ Tenant, Kind, ID string }

func (k Key) String() string { return fmt.Sprintf("%s %q of tenant %q", k.Kind, k.ID, k.Tenant) }

// Document is a JSON value with its version.
type Document struct {
	Key
	// Version is of the last Put. It only grows, and is never given twice in
	// one database, also not to a document that was deleted and made again.
	Version int64
	Updated time.Time // by the database's clock, to the millisecond
	Value   json.RawMessage
}

// Decode unmarshals the value.
func (d Document) Decode(into any) error {
	if err := json.Unmarshal(d.Value, into); err != nil {
		return fmt.Errorf("cannot decode %s: %w", d.Key, err)
	}
	return nil
}

// Versions that Put and Delete expect.
const (
	Any    int64 = -1 // whatever is there, or nothing
	Absent int64 = 0  // nothing, for Put
)

// Get returns a document, or ErrNotFound.
func (r reader) Get(ctx context.Context, key Key) (Document, error) {
	row := r.q.QueryRowContext(ctx, "SELECT "+documentColumns+" FROM records_documents WHERE tenant = $1 AND kind = $2 AND id = $3", key.Tenant, key.Kind, key.ID)
	d, err := scanDocument(row)
	if errors.Is(err, sql.ErrNoRows) {
		return Document{}, fmt.Errorf("%s: %w", key, ErrNotFound)
	}
	return d, classify(err)
}

const documentColumns = "tenant, kind, id, version, updated, value"

func scanDocument(row interface{ Scan(...any) error }) (d Document, err error) {
	var updated int64
	var value string
	err = row.Scan(&d.Tenant, &d.Kind, &d.ID, &d.Version, &updated, &value)
	d.Updated, d.Value = time.UnixMilli(updated).UTC(), json.RawMessage(value)
	return d, err
}

// Query selects documents of one tenant and kind.
type Query struct {
	Tenant, Kind string
	Prefix       string // of the id
	After        string // only greater ids: the last id of the page before
	Limit        int    // zero is no limit
}

// List returns documents in the order of their id's bytes.
func (r reader) List(ctx context.Context, q Query) ([]Document, error) {
	text := "SELECT " + documentColumns + " FROM records_documents WHERE tenant = $1 AND kind = $2 AND id > $3 AND id >= $4 AND id < $5 ORDER BY id"
	args := []any{q.Tenant, q.Kind, q.After, q.Prefix, q.Prefix + lastRune}
	if q.Limit > 0 {
		text += " LIMIT $6"
		args = append(args, q.Limit)
	}
	return collect(ctx, r.q, func(rows *sql.Rows) (Document, error) { return scanDocument(rows) }, text, args...)
}

// lastRune sorts after every rune that an id may have.
const lastRune = string(utf8.MaxRune)

// Tenants returns the tenants that have documents of a kind, in order.
func (r reader) Tenants(ctx context.Context, kind string) ([]string, error) {
	scan := func(rows *sql.Rows) (tenant string, err error) { return tenant, rows.Scan(&tenant) }
	return collect(ctx, r.q, scan, "SELECT DISTINCT tenant FROM records_documents WHERE kind = $1 ORDER BY tenant", kind)
}

// Put stores value as JSON and returns its version. A json.RawMessage is kept
// byte by byte. version is the one that is to be replaced, or Absent, or Any;
// if another one is there, the error is ErrConflict.
func (tx *Tx) Put(ctx context.Context, key Key, value any, version int64) (int64, error) {
	if err := checkNames(key.Tenant, key.Kind, key.ID); err != nil {
		return 0, err
	}
	text, err := encode(value)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", key, err)
	}
	next := tx.revision + 1
	set := "version = $4, updated = " + tx.dialect.now + ", value = $5"
	insert := "INSERT INTO records_documents (" + documentColumns + ") VALUES ($1, $2, $3, $4, " + tx.dialect.now + ", $5) ON CONFLICT (tenant, kind, id) DO "
	args := []any{key.Tenant, key.Kind, key.ID, next, text}
	var result sql.Result
	switch version {
	case Any:
		result, err = tx.q.ExecContext(ctx, insert+"UPDATE SET "+set, args...)
	case Absent:
		result, err = tx.q.ExecContext(ctx, insert+"NOTHING", args...)
	default:
		result, err = tx.q.ExecContext(ctx, "UPDATE records_documents SET "+set+" WHERE tenant = $1 AND kind = $2 AND id = $3 AND version = $6", append(args, version)...)
	}
	if err := changed(result, err); err != nil {
		return 0, fmt.Errorf("%s: %w", key, err)
	}
	tx.revision = next
	return next, nil
}

// Delete removes a document of a version, or of Any. The error is ErrNotFound
// if there is none, ErrConflict if it has another version.
func (tx *Tx) Delete(ctx context.Context, key Key, version int64) error {
	text := "DELETE FROM records_documents WHERE tenant = $1 AND kind = $2 AND id = $3"
	args := []any{key.Tenant, key.Kind, key.ID}
	if version != Any {
		text += " AND version = $4"
		args = append(args, version)
	}
	result, err := tx.q.ExecContext(ctx, text, args...)
	err = changed(result, err)
	if errors.Is(err, ErrConflict) {
		if _, missing := tx.Get(ctx, key); missing != nil {
			return missing
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	tx.revision++
	return nil
}

// changed is ErrConflict when a statement met no row.
func changed(result sql.Result, err error) error {
	if err != nil {
		return classify(err)
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return classify(err)
	}
	return ErrConflict
}

// Put is Tx.Put in a transaction of its own.
func (db *DB) Put(ctx context.Context, key Key, value any, version int64) (next int64, err error) {
	err = db.Update(ctx, func(tx *Tx) error {
		next, err = tx.Put(ctx, key, value, version)
		return err
	})
	return next, err
}

// Delete is Tx.Delete in a transaction of its own.
func (db *DB) Delete(ctx context.Context, key Key, version int64) error {
	return db.Update(ctx, func(tx *Tx) error { return tx.Delete(ctx, key, version) })
}

func encode(value any) (string, error) {
	text, ok := value.(json.RawMessage)
	if !ok {
		var err error
		if text, err = json.Marshal(value); err != nil {
			return "", fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	if !json.Valid(text) || !utf8.Valid(text) {
		return "", fmt.Errorf("%w: the value is not JSON in UTF-8", ErrInvalid)
	}
	return string(text), nil
}

// checkNames refuses what one of the databases can't store or order.
func checkNames(names ...string) error {
	for _, name := range names {
		if name == "" || !utf8.ValidString(name) || strings.ContainsAny(name, "\x00"+lastRune) {
			return fmt.Errorf("%w: name %q is empty or not plain UTF-8", ErrInvalid, name)
		}
	}
	return nil
}
