package records

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sentinel is an error that knows its HTTP status.
type sentinel struct {
	message string
	status  int
}

func (s *sentinel) Error() string   { return s.message }
func (s *sentinel) HTTPStatus() int { return s.status }

// Errors of this package match one of these with errors.Is, and know their
// HTTP status by errors.As with interface{ HTTPStatus() int }. Others come
// from bugs or from a damaged database.
var (
	// ErrNotFound: there is no such document, entry or lease. 404.
	ErrNotFound error = &sentinel{"not found", http.StatusNotFound}
	// ErrConflict: somebody else has changed it in the meantime; read it again.
	// 409.
	ErrConflict error = &sentinel{"conflict", http.StatusConflict}
	// ErrInvalid: a key or value that can't be stored. 400.
	ErrInvalid error = &sentinel{"invalid", http.StatusBadRequest}
	// ErrHeld: another holder has the lease. 409.
	ErrHeld error = &sentinel{"lease is held by another", http.StatusConflict}
	// ErrLost: the lease has expired, was released, or was taken over. 409.
	ErrLost error = &sentinel{"lease is lost", http.StatusConflict}
	// ErrUnavailable: the database is absent, busy, locked, full or shutting
	// down; the same call may succeed later. A write may have happened. 503.
	ErrUnavailable error = &sentinel{"the records database is unavailable", http.StatusServiceUnavailable}
)

// classify gives errors of the two drivers their type.
func classify(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) {
		return err
	}
	if unavailable(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func unavailable(err error) bool {
	var (
		lite    *sqlite.Error
		pg      *pgconn.PgError
		connect *pgconn.ConnectError
		network net.Error
	)
	switch {
	case errors.As(err, &lite):
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL:
			return true
		}
		return false
	case errors.As(err, &pg):
		return unavailableState(pg.Code)
	}
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// unavailableState knows the SQLSTATEs that a later try may not see, see
// https://www.postgresql.org/docs/current/errcodes-appendix.html.
func unavailableState(code string) bool {
	switch code {
	case "25006", // read-only: a standby
		"25P03", // idle in transaction for too long
		"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "57P05":
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "58")
}
