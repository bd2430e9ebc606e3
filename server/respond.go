package server

import (
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Format is how a route tells errors.
type Format uint8

// The formats of errors.
const (
	JSONErrors   Format = iota // {"status":"error","errorType":…,"error":…} as Prometheus' API
	PlainErrors                // text/plain, as remote write, Loki and Tempo
	StatusErrors               // google.rpc.Status in the request's content type, as OTLP/HTTP
)

// Handle makes a handler of a function that returns its error instead of
// writing it. An error after the answer began cuts the connection, so that the
// client does not take half an answer for a whole one.
func Handle(fn func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := fn(w, r); err != nil {
			WriteError(w, r, err)
		}
	}
}

// WriteError answers with what AsError makes of err, in the format of the
// route. Every 500 is logged with its text and answered with the id only.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	req := requestOf(r.Context())
	req.err = err
	e := AsError(r.Context(), err)
	if e.Status == http.StatusInternalServerError {
		req.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("id", req.id), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("error", err))
		e.Message = hiddenMessage(req)
	}
	writeError(w, r, req, e)
}

// hiddenMessage is what a client learns of a 500.
func hiddenMessage(req *request) string {
	return "internal error: the server's log has its cause under the id " + req.id
}

func writeError(w http.ResponseWriter, r *http.Request, req *request, e *Error) {
	if req.writer != nil && req.writer.hijacked {
		return
	}
	if req.writer != nil && req.writer.status != 0 {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(e.RetryAfter), 10))
	}
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	h.Del("Etag")
	h.Del("Last-Modified")
	contentType, body := errorBody(e, req.format, r.Header.Get("Content-Type"))
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // a client that left misses nothing
}

func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

func errorBody(e *Error, f Format, requestType string) (contentType string, body []byte) {
	switch f {
	case PlainErrors:
		return "text/plain; charset=utf-8", []byte(e.Message + "\n")
	case StatusErrors:
		st := &spb.Status{Code: int32(grpcCode(e)), Message: e.Message}
		if t, _, _ := strings.Cut(requestType, ";"); strings.TrimSpace(t) == "application/json" {
			if b, err := protojson.Marshal(st); err == nil {
				return "application/json", b
			}
		}
		if b, err := proto.Marshal(st); err == nil {
			return "application/x-protobuf", b
		}
	}
	b, _ := json.Marshal(struct { // strings always marshal
		Status    string `json:"status"`
		ErrorType string `json:"errorType"`
		Error     string `json:"error"`
	}{"error", e.Reason, e.Message})
	return "application/json", append(b, '\n')
}

// WriteJSON answers 200 with v as JSON. The value is encoded before anything
// is sent, so that an error can still be told.
func WriteJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // a client that left misses nothing
	return nil
}

// WriteData answers 200 with {"status":"success","data":v}, as Prometheus' API.
func WriteData(w http.ResponseWriter, v any) error {
	return WriteJSON(w, struct {
		Status string `json:"status"`
		Data   any    `json:"data"`
	}{"success", v})
}
