package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Reasons are Prometheus' error types where it has one, so that its clients
// know them.
const (
	ReasonInvalid      = "bad_data"
	ReasonUnauthorized = "unauthorized"
	ReasonForbidden    = "forbidden"
	ReasonNotFound     = "not_found"
	ReasonMethod       = "method_not_allowed"
	ReasonConflict     = "conflict"
	ReasonTooLarge     = "too_large"
	ReasonMediaType    = "unsupported_media_type"
	ReasonTooMany      = "too_many_requests"
	ReasonCanceled     = "canceled"
	ReasonTimeout      = "timeout"
	ReasonUnavailable  = "unavailable"
	ReasonInternal     = "internal"
	ReasonExecution    = "execution"
)

// StatusClientClosed is nginx' status of a request whose client left; nobody
// reads it, it is for logs and metrics.
const StatusClientClosed = 499

// Error is an error with the HTTP status that tells it to a client. Its
// message is for people: it names the value, the place and the option.
type Error struct {
	Status     int           // HTTP status, 400 and above
	Reason     string        // one of the Reason constants, for programs
	Message    string        // for people; safe to show to the caller
	RetryAfter time.Duration // when to try again, 0 = unsaid; sent in whole seconds, rounded up
	Err        error         // the cause, nil = none; for errors.Is and As, not shown
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Err }

// HTTPStatus is the status of the answer.
func (e *Error) HTTPStatus() int { return e.Status }

func newError(status int, reason string, err error) error {
	return &Error{Status: status, Reason: reason, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Invalid is a 400: the request is wrong and must not be sent again as it is.
func Invalid(format string, args ...any) error {
	return newError(http.StatusBadRequest, ReasonInvalid, fmt.Errorf(format, args...))
}

// Unprocessable is a 422: the request was understood and cannot be carried
// out, such as a query that fails on its data.
func Unprocessable(format string, args ...any) error {
	return newError(http.StatusUnprocessableEntity, ReasonExecution, fmt.Errorf(format, args...))
}

// Unauthorized is a 401: the caller is unknown.
func Unauthorized(format string, args ...any) error {
	return newError(http.StatusUnauthorized, ReasonUnauthorized, fmt.Errorf(format, args...))
}

// Forbidden is a 403: the caller is known and may not.
func Forbidden(format string, args ...any) error {
	return newError(http.StatusForbidden, ReasonForbidden, fmt.Errorf(format, args...))
}

// NotFound is a 404.
func NotFound(format string, args ...any) error {
	return newError(http.StatusNotFound, ReasonNotFound, fmt.Errorf(format, args...))
}

// Conflict is a 409: the thing was changed by another since it was read.
func Conflict(format string, args ...any) error {
	return newError(http.StatusConflict, ReasonConflict, fmt.Errorf(format, args...))
}

// TooLarge is a 413: the message names the limit and the option that raises it.
func TooLarge(format string, args ...any) error {
	return newError(http.StatusRequestEntityTooLarge, ReasonTooLarge, fmt.Errorf(format, args...))
}

// UnsupportedMedia is a 415: content type or encoding.
func UnsupportedMedia(format string, args ...any) error {
	return newError(http.StatusUnsupportedMediaType, ReasonMediaType, fmt.Errorf(format, args...))
}

// TooMany is a 429: the caller may send the same again after retryAfter.
func TooMany(retryAfter time.Duration, format string, args ...any) error {
	return retryable(http.StatusTooManyRequests, ReasonTooMany, retryAfter, fmt.Errorf(format, args...))
}

// Unavailable is a 503: nothing may be assumed stored, send it again after
// retryAfter.
func Unavailable(retryAfter time.Duration, format string, args ...any) error {
	return retryable(http.StatusServiceUnavailable, ReasonUnavailable, retryAfter, fmt.Errorf(format, args...))
}

func retryable(status int, reason string, after time.Duration, err error) error {
	return &Error{Status: status, Reason: reason, Message: err.Error(), RetryAfter: after, Err: errors.Unwrap(err)}
}

// ErrDraining is the cause (context.Cause) of requests that were cut off
// because the server stops. Such a request is answered 503, never 499: its
// client is still there and has to send it again.
var ErrDraining = errors.New("server is shutting down")

// statusError and retryError are what other rooms' errors implement to choose
// their status without importing Error.
type statusError interface {
	error
	HTTPStatus() int
}

type retryError interface{ RetryAfter() time.Duration }

// AsError says how err is told to a client: an *Error as it is (with the text
// of what wraps it), an error with HTTPStatus() int (and RetryAfter()
// time.Duration) by these, a cut-off body 413, a request that ended by ctx as
// a gone client, a timeout or a stopping server, all else 500. The message of a
// 500 is err's own and may tell internals; WriteError does not show it.
func AsError(ctx context.Context, err error) *Error {
	if gone := context.Cause(ctx); errors.Is(err, context.Canceled) && gone != nil && !errors.Is(gone, ErrDraining) && !errors.Is(gone, context.DeadlineExceeded) {
		return &Error{Status: StatusClientClosed, Reason: ReasonCanceled, Message: "the client closed the request", Err: err}
	}
	var e *Error
	if errors.As(err, &e) {
		out := *e
		out.Message, out.Err = err.Error(), err
		return &out
	}
	var s statusError
	if errors.As(err, &s) {
		out := &Error{Status: s.HTTPStatus(), Reason: reasonOf(s.HTTPStatus()), Message: err.Error(), Err: err}
		var r retryError
		if errors.As(err, &r) {
			out.RetryAfter = r.RetryAfter()
		}
		return out
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &Error{Status: http.StatusRequestEntityTooLarge, Reason: ReasonTooLarge, Err: err,
			Message: fmt.Sprintf("request body is larger than the limit of %d bytes: send less at once, or raise server.max_body_bytes", tooLarge.Limit)}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Status: http.StatusGatewayTimeout, Reason: ReasonTimeout, Message: "the request took longer than it may: " + err.Error(), Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, ErrDraining):
		return &Error{Status: http.StatusServiceUnavailable, Reason: ReasonUnavailable, Message: "the request was cut off because the server is shutting down or restarts a part: send it again", RetryAfter: time.Second, Err: err}
	}
	return &Error{Status: http.StatusInternalServerError, Reason: ReasonInternal, Message: err.Error(), Err: err}
}

var reasons = map[int]string{
	http.StatusUnauthorized:          ReasonUnauthorized,
	http.StatusForbidden:             ReasonForbidden,
	http.StatusNotFound:              ReasonNotFound,
	http.StatusMethodNotAllowed:      ReasonMethod,
	http.StatusConflict:              ReasonConflict,
	http.StatusRequestEntityTooLarge: ReasonTooLarge,
	http.StatusUnsupportedMediaType:  ReasonMediaType,
	http.StatusUnprocessableEntity:   ReasonExecution,
	http.StatusTooManyRequests:       ReasonTooMany,
	StatusClientClosed:               ReasonCanceled,
	http.StatusBadGateway:            ReasonUnavailable,
	http.StatusServiceUnavailable:    ReasonUnavailable,
	http.StatusGatewayTimeout:        ReasonTimeout,
}

func reasonOf(status int) string {
	if r, ok := reasons[status]; ok {
		return r
	}
	if status >= 500 {
		return ReasonInternal
	}
	return ReasonInvalid
}
