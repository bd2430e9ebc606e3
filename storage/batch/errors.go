package batch

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

var (
	// ErrFull is matched by every error that says a bound of memory or disk is
	// reached; nothing was taken in, the sender is to try again later.
	ErrFull = errors.New("full")
	// ErrClosed is the error of writes after the end of Run. Its HTTPStatus is
	// 503: another replica, or the next start, takes the write.
	ErrClosed error = closedError{}
)

type closedError struct{}

func (closedError) Error() string             { return "not accepting writes: shutting down" }
func (closedError) HTTPStatus() int           { return http.StatusServiceUnavailable }
func (closedError) RetryAfter() time.Duration { return 5 * time.Second }

// FullError says which bound is reached. It matches ErrFull, and asks senders
// to wait: 503 rather than 429, because Prometheus' remote write drops what
// was answered with 429.
type FullError struct {
	What  string // "batches of table logs", "spool"
	Knob  string // the configuration key to raise
	Limit int64  // its value, bytes
	Cause error  // why the wait ended, or nil
}

func (e *FullError) Error() string {
	s := fmt.Sprintf("%s full: %s is %d bytes", e.What, e.Knob, e.Limit)
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Is reports whether target is ErrFull.
func (e *FullError) Is(target error) bool { return target == ErrFull }

// Unwrap returns the cause.
func (e *FullError) Unwrap() error { return e.Cause }

// HTTPStatus is 503.
func (e *FullError) HTTPStatus() int { return http.StatusServiceUnavailable }

// RetryAfter is how long the sender should wait.
func (e *FullError) RetryAfter() time.Duration { return 5 * time.Second }

// InsertError says that a batch was not stored.
type InsertError struct {
	Table     string
	Rows      int
	Permanent bool // the same rows will never be accepted
	Err       error
}

func (e *InsertError) Error() string {
	return fmt.Sprintf("cannot store %d rows in table %s: %v", e.Rows, e.Table, e.Err)
}

// Unwrap returns what ClickHouse or the spool said.
func (e *InsertError) Unwrap() error { return e.Err }

// HTTPStatus is 500 for permanent errors, whose reason is in our schema or
// encoding rather than in the request, else 503.
func (e *InsertError) HTTPStatus() int {
	if e.Permanent {
		return http.StatusInternalServerError
	}
	return http.StatusServiceUnavailable
}

// RetryAfter is how long the sender should wait.
func (e *InsertError) RetryAfter() time.Duration { return 5 * time.Second }
