package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

type foreignError struct{ status int }

func (e foreignError) Error() string             { return "engine is away" }
func (e foreignError) HTTPStatus() int           { return e.status }
func (e foreignError) RetryAfter() time.Duration { return 1500 * time.Millisecond }

func TestAsError(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	draining, drain := context.WithCancelCause(t.Context())
	drain(ErrDraining)
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	cause := errors.New("cause")

	for _, c := range []struct {
		name   string
		ctx    context.Context
		err    error
		status int
		reason string
		says   string
		grpc   codes.Code
		retry  time.Duration
	}{
		{"invalid", t.Context(), Invalid("bad step %q", "x"), 400, "bad_data", `bad step "x"`, codes.InvalidArgument, 0},
		{"wrapped keeps its context", t.Context(), fmt.Errorf("rule 7: %w", NotFound("no metric")), 404, "not_found", "rule 7: no metric", codes.NotFound, 0},
		{"too many", t.Context(), TooMany(3*time.Second, "slow down"), 429, "too_many_requests", "slow down", codes.ResourceExhausted, 3 * time.Second},
		{"unavailable", t.Context(), Unavailable(time.Second, "no disk"), 503, "unavailable", "no disk", codes.Unavailable, time.Second},
		{"unprocessable", t.Context(), Unprocessable("no"), 422, "execution", "no", codes.InvalidArgument, 0},
		{"conflict", t.Context(), Conflict("changed"), 409, "conflict", "changed", codes.Aborted, 0},
		{"another room's error", t.Context(), fmt.Errorf("push: %w", foreignError{503}), 503, "unavailable", "push: engine is away", codes.Unavailable, 1500 * time.Millisecond},
		{"body limit", t.Context(), &http.MaxBytesError{Limit: 7}, 413, "too_large", "limit of 7 bytes", codes.InvalidArgument, 0},
		{"client left", gone, fmt.Errorf("query: %w", gone.Err()), 499, "canceled", "client closed", codes.Canceled, 0},
		{"client left, in a room's error", gone, errors.Join(foreignError{503}, context.Canceled), 499, "canceled", "client closed", codes.Canceled, 0},
		{"client left, other error", gone, Invalid("no"), 400, "bad_data", "no", codes.InvalidArgument, 0},
		{"server stops", draining, draining.Err(), 503, "unavailable", "send it again", codes.Unavailable, time.Second},
		{"server stops, by its cause", draining, context.Cause(draining), 503, "unavailable", "send it again", codes.Unavailable, time.Second},
		{"something inside was canceled", t.Context(), context.Canceled, 503, "unavailable", "send it again", codes.Unavailable, time.Second},
		{"deadline", late, late.Err(), 504, "timeout", "longer than it may", codes.Unavailable, 0},
		{"unknown", t.Context(), errors.New("password=x"), 500, "internal", "password=x", codes.Internal, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := AsError(c.ctx, c.err)
			require.Equal(t, c.status, e.Status)
			require.Equal(t, c.reason, e.Reason)
			require.Contains(t, e.Message, c.says)
			require.Equal(t, c.retry, e.RetryAfter)
			require.ErrorIs(t, e, c.err)

			st := status.Convert(GRPCError(c.ctx, c.err))
			require.Equal(t, c.grpc, st.Code())
			require.NotContains(t, st.Message(), "password")
			if c.retry > 0 {
				require.Equal(t, c.retry, st.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration())
			}
		})
	}
	require.ErrorIs(t, Invalid("x: %w", cause), cause)
	require.NoError(t, GRPCError(t.Context(), nil))
	require.Equal(t, codes.DataLoss, status.Code(GRPCError(t.Context(), status.Error(codes.DataLoss, "kept"))))
}

func TestWriteError(t *testing.T) {
	var log strings.Builder
	m := NewMux(MuxOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	fail := func(err error) func(http.ResponseWriter, *http.Request) error {
		return func(http.ResponseWriter, *http.Request) error { return err }
	}
	slow := TooMany(1200*time.Millisecond, "slow down")
	m.HandleFunc("/json", Public, fail(slow))
	m.HandleFunc("/plain", Public, fail(slow), Errors(PlainErrors))
	m.HandleFunc("/otlp", Public, fail(slow), Errors(StatusErrors))
	m.HandleFunc("/secret", Public, fail(errors.New("password=x")))
	get := func(path, contentType string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", path, nil)
		r.Header.Set("Content-Type", contentType)
		m.ServeHTTP(w, r)
		return w
	}

	w := get("/json", "")
	require.Equal(t, 429, w.Code)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	require.JSONEq(t, `{"status":"error","errorType":"too_many_requests","error":"slow down"}`, w.Body.String())

	require.Equal(t, "slow down\n", get("/plain", "").Body.String())

	w = get("/otlp", "application/x-protobuf")
	var st spb.Status
	require.NoError(t, proto.Unmarshal(w.Body.Bytes(), &st))
	require.Equal(t, "slow down", st.Message)
	w = get("/otlp", "application/json; charset=utf-8")
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.NoError(t, protojson.Unmarshal(w.Body.Bytes(), &st))

	w = get("/secret", "")
	require.Equal(t, 500, w.Code)
	require.NotContains(t, w.Body.String(), "password")
	id := w.Header().Get(RequestIDHeader)
	require.Contains(t, w.Body.String(), id)
	require.Contains(t, log.String(), "password=x")
	require.Contains(t, log.String(), id)
}
