package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Lease is the right to do what its name says, until it expires. Token grows
// each time that the lease is granted, for ever: who acts on the world shows
// it, so that an action by an earlier holder can be told and refused.
type Lease struct {
	Name    string
	Holder  string
	Token   int64
	Expires time.Time // by the database's clock
}

// Acquire grants a lease that nobody has or that has expired, else the error
// is ErrHeld. A holder that asks again gets it again, with a new token: it may
// have been restarted, and what it began before is to be fenced off.
func (db *DB) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (Lease, error) {
	if err := checkNames(name, holder); err != nil {
		return Lease{}, err
	}
	now := db.dialect.now
	l, err := db.change(ctx, `INSERT INTO records_leases (name, holder, token, expires) VALUES ($1, $2, 1, `+now+` + CAST($3 AS BIGINT))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = records_leases.token + 1, expires = excluded.expires
WHERE records_leases.expires <= `+now+` OR records_leases.holder = excluded.holder
RETURNING name, holder, token, expires`, name, holder, ttl.Milliseconds())
	if errors.Is(err, sql.ErrNoRows) {
		return Lease{}, db.heldBy(ctx, name)
	}
	return l, err
}

func (db *DB) heldBy(ctx context.Context, name string) error {
	l, err := db.Lease(ctx, name)
	if err != nil {
		return err
	}
	return fmt.Errorf("lease %q: %w: %q until %s", name, ErrHeld, l.Holder, l.Expires.Format(time.RFC3339Nano))
}

// Lease returns a lease as it was granted last, which may have expired, or
// ErrNotFound.
func (r reader) Lease(ctx context.Context, name string) (Lease, error) {
	row := r.q.QueryRowContext(ctx, "SELECT name, holder, token, expires FROM records_leases WHERE name = $1", name)
	l, err := scanLease(row)
	if errors.Is(err, sql.ErrNoRows) {
		return Lease{}, fmt.Errorf("lease %q: %w", name, ErrNotFound)
	}
	return l, classify(err)
}

// Renew makes l expire ttl from now, or returns ErrLost: it is expired,
// released or another's.
func (db *DB) Renew(ctx context.Context, l Lease, ttl time.Duration) (Lease, error) {
	now := db.dialect.now
	renewed, err := db.change(ctx, "UPDATE records_leases SET expires = "+now+" + CAST($3 AS BIGINT) WHERE name = $1 AND token = $2 AND expires > "+now+" RETURNING name, holder, token, expires",
		l.Name, l.Token, ttl.Milliseconds())
	if errors.Is(err, sql.ErrNoRows) {
		return Lease{}, lost(l)
	}
	return renewed, err
}

// Release lets others have l at once, or returns ErrLost.
func (db *DB) Release(ctx context.Context, l Lease) error {
	result, err := db.write.ExecContext(ctx, "UPDATE records_leases SET expires = 0 WHERE name = $1 AND token = $2 AND expires > 0", l.Name, l.Token)
	if err = changed(result, err); errors.Is(err, ErrConflict) {
		return lost(l)
	}
	return err
}

// Fence returns ErrLost unless l is held now. In a transaction it makes sure
// that all of it, or nothing, is done by the holder.
func (tx *Tx) Fence(ctx context.Context, l Lease) error {
	var token int64
	err := tx.q.QueryRowContext(ctx, "SELECT token FROM records_leases WHERE name = $1 AND token = $2 AND expires > "+tx.dialect.now+tx.dialect.lock, l.Name, l.Token).Scan(&token)
	if errors.Is(err, sql.ErrNoRows) {
		return lost(l)
	}
	return classify(err)
}

// change writes one lease and returns it; sql.ErrNoRows says that none was
// changed. The commit is explicit so that its error is seen.
func (db *DB) change(ctx context.Context, text string, args ...any) (l Lease, err error) {
	err = db.transact(ctx, func(tx *sql.Tx) error {
		l, err = scanLease(tx.QueryRowContext(ctx, text, args...))
		return classify(err)
	})
	return l, err
}

func lost(l Lease) error {
	return fmt.Errorf("lease %q with token %d of %q: %w", l.Name, l.Token, l.Holder, ErrLost)
}

func scanLease(row *sql.Row) (l Lease, err error) {
	var expires int64
	err = row.Scan(&l.Name, &l.Holder, &l.Token, &expires)
	l.Expires = time.UnixMilli(expires).UTC()
	return l, err
}
