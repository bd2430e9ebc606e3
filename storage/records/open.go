package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// DB is a database of records. It is safe for concurrent use.
type DB struct {
	reader
	write   *sql.DB
	dialect dialect
	log     *slog.Logger
}

// dialect is what the two databases do differently.
type dialect struct {
	name    string
	now     string // SQL of the database's clock, Unix milliseconds
	lock    string // appended to the SELECT that begins a write
	collate string // makes text compare by bytes
	backup  func(ctx context.Context, path string) error
}

// Open opens the database of dsn and brings its schema up to date. It refuses
// a schema that a newer version of the program made. The forms are
//
//	sqlite:PATH                        a file, made when it is not there
//	postgres://USER@HOST/DATABASE?...  as in libpq; also postgresql://
//
// Close it.
func Open(ctx context.Context, dsn string, log *slog.Logger) (*DB, error) {
	db := &DB{log: log}
	var err error
	switch {
	case strings.HasPrefix(dsn, "sqlite:"):
		err = db.openSQLite(strings.TrimPrefix(dsn, "sqlite:"))
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		err = db.openPostgres(dsn)
	default:
		// It may hold a password: say nothing of it.
		err = errors.New("cannot parse the DSN of the records: want sqlite:PATH or postgres://USER@HOST/DATABASE")
	}
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot prepare the %s database of the records: %w", db.dialect.name, err), db.Close())
	}
	return db, nil
}

// Close ends all connections.
func (db *DB) Close() error {
	err := db.write.Close()
	if pool, ok := db.q.(*sql.DB); ok && pool != db.write {
		err = errors.Join(err, pool.Close())
	}
	return err
}

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return classify(db.q.QueryRowContext(ctx, "SELECT 1").Scan(&one))
}

// queryer is a pool or a transaction.
type queryer interface {
	ExecContext(ctx context.Context, sql string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, sql string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, sql string, args ...any) *sql.Row
}

// reader has the methods that DB and Tx share.
type reader struct{ q queryer }

// collect runs a query and scans every row.
func collect[T any](ctx context.Context, q queryer, scan func(*sql.Rows) (T, error), sql string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, sql, args...)
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, classify(err)
		}
		all = append(all, v)
	}
	return all, classify(rows.Err())
}
