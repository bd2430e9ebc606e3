package server

import (
	"context"
	"log/slog"
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// GRPCError is err as a gRPC status; nil stays nil and a status stays itself.
// What may be sent again carries RetryInfo: OTLP senders need it to retry
// RESOURCE_EXHAUSTED at all.
func GRPCError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	e := AsError(ctx, err)
	if e.Status == http.StatusInternalServerError {
		req := requestOf(ctx)
		req.log.LogAttrs(ctx, slog.LevelError, "call failed", slog.String("id", req.id), slog.Any("error", err))
		e.Message = hiddenMessage(req)
	}
	st := status.New(grpcCode(e), e.Message)
	if e.RetryAfter > 0 {
		if with, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)}); err == nil {
			st = with
		}
	}
	return st.Err()
}

// grpcCode maps statuses so that OTLP's list of retryable codes fits: 429 is
// RESOURCE_EXHAUSTED (with RetryInfo), 502 to 504 are UNAVAILABLE.
func grpcCode(e *Error) codes.Code {
	switch e.Status {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case StatusClientClosed:
		return codes.Canceled
	case http.StatusNotImplemented:
		return codes.Unimplemented
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	}
	if e.Status >= 500 {
		return codes.Internal
	}
	return codes.InvalidArgument
}
