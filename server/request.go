package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
)

// RequestIDHeader carries the id of a request, in both directions: a caller's
// own id is kept when it is short and plain, else one is made.
const RequestIDHeader = "X-Request-Id"

// request is what Mux knows of the request in hand. The goroutine of the
// request alone touches it.
type request struct {
	id     string
	log    *slog.Logger
	format Format
	writer *responseWriter
	caller Identity
	tenant string
	err    error // what WriteError was told, for the request log

	hold        hold  // memory of the bodies that Body read
	maxUnpacked int64 // bytes, 0 = DefaultMaxUnpacked
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{id: "-", log: slog.Default()}
}

// RequestID is the id of the request that ctx belongs to, "-" outside of one.
func RequestID(ctx context.Context) string { return requestOf(ctx).id }

func requestID(h http.Header) string {
	if id := h.Get(RequestIDHeader); plainID(id) {
		return id
	}
	return randomHex(8)
}

func plainID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}
