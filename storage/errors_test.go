package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

func TestParseError(t *testing.T) {
	for text, want := range map[string]Error{
		"Code: 60. DB::Exception: Table d.x does not exist. (UNKNOWN_TABLE) (version 26.7.3.1 (official build))\n": {60, "UNKNOWN_TABLE", "Table d.x does not exist."},
		"Code: 395. DB::Exception: boom: while executing f. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)":                 {395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "boom: while executing f."},
		"DB::Exception: Syntax error: failed at position 1. (SYNTAX_ERROR)":                                        {0, "SYNTAX_ERROR", "Syntax error: failed at position 1."},
		"Code: 1. DB::Exception: (A) is not (B). (UNSUPPORTED_METHOD)\nStack trace:\n0. x":                         {1, "UNSUPPORTED_METHOD", "(A) is not (B)."},
		"upstream gone": {0, "", "upstream gone"},
		"":              {0, "", ""},
	} {
		if got := parseError(0, text); *got != want {
			t.Errorf("%q: got %+v, want %+v", text, *got, want)
		}
	}
	if got := parseError(7, "Code: 60. DB::Exception: x"); got.Code != 7 {
		t.Errorf("the header's code gives way: %+v", got)
	}
}

func FuzzParseError(f *testing.F) {
	f.Add("Code: 60. DB::Exception: Table d.x does not exist. (UNKNOWN_TABLE) (version 26.7.3.1 (official build))")
	f.Fuzz(func(t *testing.T, text string) {
		if e := parseError(0, text); len(e.Message) > len(text) {
			t.Errorf("%q grew to %q", text, e.Message)
		}
	})
}

func TestClassesOfErrors(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, test := range map[string]struct {
		err                           error
		unavailable, limit, permanent bool
	}{
		"refused":             {err: dial, unavailable: true},
		"reset":               {err: fmt.Errorf("read: %w", syscall.ECONNRESET), unavailable: true},
		"cut":                 {err: io.ErrUnexpectedEOF, unavailable: true},
		"busy":                {err: &Error{Code: 202}, unavailable: true},
		"too many parts":      {err: &Error{Code: 252, Message: "Too many parts (3000). Merges are slower than inserts"}, unavailable: true},
		"too many partitions": {err: &Error{Code: 252, Message: "Too many partitions for single INSERT block (more than 100)"}, permanent: true},
		"query's memory":      {err: &Error{Code: 241, Message: "Query memory limit exceeded"}, limit: true},
		"server's memory":     {err: &Error{Code: 241, Message: "(total) memory limit exceeded"}, unavailable: true},
		"slow":                {err: &Error{Code: 159}, limit: true},
		"bad data":            {err: &Error{Code: 117}, permanent: true},
		"no such table":       {err: &Error{Code: 60}},
		"canceled":            {err: context.Canceled},
	} {
		err := fmt.Errorf("wrapped: %w", convert(t.Context(), test.err))
		if got := errors.Is(err, ErrUnavailable); got != test.unavailable {
			t.Errorf("%s: ErrUnavailable %v, want %v", name, got, test.unavailable)
		}
		if got := errors.Is(err, ErrLimit); got != test.limit {
			t.Errorf("%s: ErrLimit %v, want %v", name, got, test.limit)
		}
		if got := Permanent(err); got != test.permanent {
			t.Errorf("%s: Permanent %v, want %v", name, got, test.permanent)
		}
	}
}

func TestLateException(t *testing.T) {
	const tag = "abcdefghijklmnop"
	frame := exceptionMark + tag + "\r\nCode: 395. DB::Exception: boom. (X_Y)\n38 " + tag + exceptionMark
	long := strings.Repeat("data", 20000)
	for name, test := range map[string]struct {
		body, tag string
		want      bool
	}{
		"at the end":       {long + frame, tag, true},
		"alone":            {frame, tag, true},
		"none":             {long, tag, false},
		"of another tag":   {long + frame, "0000000000000000", false},
		"tag not promised": {long + frame, "", false},
		"text of data":     {long + exceptionMark + "Code: 1. DB::Exception: x" + exceptionMark, tag, false},
		"trailer missing":  {long + exceptionMark + tag + "\r\nCode: 395. DB::Exception: boom. (X_Y)", tag, true},
		"empty":            {"", tag, false},
	} {
		for way, r := range map[string]io.Reader{
			"whole": strings.NewReader(test.body), "halves": iotest.HalfReader(strings.NewReader(test.body)),
			"errors with data": iotest.DataErrReader(strings.NewReader(test.body)),
		} {
			tail := newTailReader(r, test.tag)
			if n, err := io.Copy(io.Discard, tail); err != nil || int(n) != len(test.body) {
				t.Fatalf("%s: copied %d, %v", name, n, err)
			}
			got := tail.exception()
			if (got != nil) != test.want {
				t.Errorf("%s, %s: got %v", name, way, got)
			}
			if got != nil && *got != (Error{395, "X_Y", "boom."}) {
				t.Errorf("%s, %s: got %+v", name, way, got)
			}
		}
	}
}
