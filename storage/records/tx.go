package records

import (
	"context"
	"database/sql"
	"fmt"
)

// Tx is a write transaction: it reads what it wrote, and nobody else writes
// until it ends. It must not be used after the function it was passed to has
// returned, nor by several goroutines.
type Tx struct {
	reader
	dialect  dialect
	revision int64
}

// Update runs fn in a transaction, which is committed if fn returns nil and
// else rolled back; then the error is fn's. Within fn use tx only: methods of
// DB that write would wait for it. All other writers wait for fn, so it must
// not do anything slow.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return db.transact(ctx, func(q *sql.Tx) error {
		tx := &Tx{reader: reader{q}, dialect: db.dialect}
		if err := tx.begin(ctx); err != nil {
			return err
		}
		before := tx.revision
		if err := fn(tx); err != nil || tx.revision == before {
			return err
		}
		_, err := q.ExecContext(ctx, "UPDATE records_revision SET revision = $1", tx.revision)
		return classify(err)
	})
}

func (db *DB) transact(ctx context.Context, fn func(q *sql.Tx) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return classify(err)
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	return classify(tx.Commit())
}

// begin waits for the writer before; on SQLite, BEGIN IMMEDIATE has done so.
func (tx *Tx) begin(ctx context.Context) error {
	err := tx.q.QueryRowContext(ctx, "SELECT revision FROM records_revision"+tx.dialect.lock).Scan(&tx.revision)
	if err != nil {
		return fmt.Errorf("cannot begin to write records: %w", classify(err))
	}
	return nil
}

// Revision grows with every change of a document or stream, so that what was
// read at a revision is up to date while it stays the same.
func (r reader) Revision(ctx context.Context) (revision int64, err error) {
	err = r.q.QueryRowContext(ctx, "SELECT revision FROM records_revision").Scan(&revision)
	return revision, classify(err)
}
