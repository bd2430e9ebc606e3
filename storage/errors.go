package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
)

// ErrUnavailable matches, with errors.Is, every error that means ClickHouse
// can't be reached or can't serve now, and that the same request may succeed
// later.
var ErrUnavailable = errors.New("ClickHouse is unavailable")

// ErrLimit matches, with errors.Is, every error that means a query ran into
// one of its Limits.
var ErrLimit = errors.New("query limit reached")

// Error is an exception that ClickHouse answered with.
type Error struct {
	Code    int    // as in ClickHouse's ErrorCodes.cpp
	Name    string // such as UNKNOWN_TABLE; empty when the server did not say
	Message string // without stack trace
}

func (e *Error) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("ClickHouse error %d: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("ClickHouse error %d (%s): %s", e.Code, e.Name, e.Message)
}

// Is makes errors.Is(err, ErrUnavailable) and errors.Is(err, ErrLimit) work.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnavailable:
		return e.unavailable()
	case ErrLimit:
		return e.limit()
	}
	return false
}

// The codes of ClickHouse's src/Common/ErrorCodes.cpp that decide what to do.
var (
	unavailableCodes = codes(3, 23, 74, 75, 76, // files
		202, 203, 204, 209, 210, 225, 229, 234, 236, 242, 243, 244, 252, 254, 256, 265,
		279, 285, 286, 298, 307, 319, 321, 341, 364, 366, 374, 415, 425, 439, 473, 499, 516, 517,
		519, 529, 531, 574, 593, 604, 649, 700, 712, 722, 730, 735, 745, 746, 750, 999, 1000, 1002)
	limitCodes = codes(158, 159, 160, 191, 241, 307, 394, 396)
	// permanentCodes are data that no retry will make acceptable.
	permanentCodes = codes(6, 7, 8, 9, 10, 16, 20, 26, 27, 32, 33, 34, 36, 38, 41, 43, 44, 47, 50, 53,
		62, 69, 70, 72, 117, 128, 130, 131, 190, 207, 349, 407, 441, 469, 691)
)

func codes(cs ...int) map[int]bool {
	m := make(map[int]bool, len(cs))
	for _, c := range cs {
		m[c] = true
	}
	return m
}

func (e *Error) unavailable() bool {
	if e.Code == codeMemory {
		// The whole server is short of memory, not this query too greedy.
		return strings.Contains(e.Message, "(total)")
	}
	return unavailableCodes[e.Code] && !e.permanent()
}

func (e *Error) limit() bool {
	return limitCodes[e.Code] && !(e.Code == codeMemory && e.unavailable())
}

func (e *Error) permanent() bool {
	// A block that spans too many partitions has the code of too many parts.
	return permanentCodes[e.Code] || e.Code == codeParts && strings.Contains(e.Message, "single INSERT block")
}

// Codes that this package looks for.
const (
	codeUnknownTable  = 60
	codeIncorrectData = 117
	codeMemory        = 241
	codeParts         = 252
)

// Permanent tells that an insert failed on its data: sent again, it fails
// again. All other errors are worth a retry.
func Permanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.permanent()
}

var (
	codePrefix = regexp.MustCompile(`^(?:Code: (\d+)\. )?(?:DB::Exception: )?`)
	nameSuffix = regexp.MustCompile(`\s*\(([A-Z][A-Z0-9_]+)\)(?:\s*\(version [^)]*\)\)?)?\s*$`)
)

// parseError reads the text of an exception: "Code: 60. DB::Exception: Table x
// does not exist. (UNKNOWN_TABLE) (version 26.7.3.1)". code is the one of a
// header, if there was one.
func parseError(code int, text string) *Error {
	text = strings.TrimSpace(text)
	if i := strings.Index(text, "\nStack trace:"); i >= 0 {
		text = text[:i]
	}
	e := &Error{Code: code}
	if m := codePrefix.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && code == 0 {
			e.Code = n
		}
		text = text[len(m[0]):]
	}
	if m := nameSuffix.FindStringSubmatchIndex(text); m != nil {
		e.Name = text[m[2]:m[3]]
		text = text[:m[0]]
	}
	e.Message = strings.TrimSpace(text)
	return e
}

// unavailableError is a transport's error.
type unavailableError struct{ err error }

func (e *unavailableError) Error() string        { return "ClickHouse is unavailable: " + e.err.Error() }
func (e *unavailableError) Unwrap() error        { return e.err }
func (e *unavailableError) Is(target error) bool { return target == ErrUnavailable }

// convert makes the errors of all transports ours: *Error, ErrUnavailable or
// the context's own.
func convert(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var (
		ours   *Error
		theirs *clickhouse.Exception
		native *ch.Exception
	)
	switch {
	case errors.As(err, &ours), errors.Is(err, ErrUnavailable):
		return err
	case errors.As(err, &theirs):
		e := parseError(int(theirs.Code), theirs.Message)
		if e.Name == "" {
			e.Name = theirs.CodeName
		}
		return e
	case errors.As(err, &native):
		e := parseError(int(native.Code), native.Message)
		if e.Name == "" {
			e.Name = strings.ToUpper(strings.TrimPrefix(native.Code.String(), "Error"))
		}
		return e
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case transient(err):
		return &unavailableError{err}
	}
	return err
}

// transient tells network errors from others.
func transient(err error) bool {
	var n net.Error
	return errors.As(err, &n) || reset(err) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, clickhouse.ErrAcquireConnTimeout) ||
		errors.Is(err, context.DeadlineExceeded)
}

// reset tells that a connection broke, as one does that the server closed
// while it was idle or when the engine was restarted.
func reset(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

func isCode(err error, code int) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
