package self

import (
	"bufio"
	"net"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Middleware makes a span of every request that answers a query or changes
// something, below the caller's span when it names one. Requests that bring
// telemetry are traced only when their sender's trace is: there are many of
// them, and each would bring one more.
func (t *Traces) Middleware(next http.Handler) http.Handler {
	tracer := t.provider.Tracer("watchfire/http")
	w3c := propagation.TraceContext{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := w3c.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		if quiet(r) && !trace.SpanContextFromContext(ctx).IsSampled() {
			next.ServeHTTP(w, r)
			return
		}
		ctx, span := tracer.Start(ctx, r.Method+" "+route(r.URL.Path), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path),
		))
		defer span.End()
		if !span.IsRecording() {
			next.ServeHTTP(w, r.WithContext(ctx))
			return
		}
		sw := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(sw, r.WithContext(ctx))
		span.SetAttributes(attribute.Int("http.response.status_code", sw.code()))
		if sw.code() >= 500 {
			span.SetStatus(codes.Error, http.StatusText(sw.code()))
		}
	})
}

// quiet requests are health checks, scrapes of ourselves and pushes.
func quiet(r *http.Request) bool {
	p := r.URL.Path
	if r.Method == http.MethodPost {
		for _, suffix := range []string{"/push", "/write", "/v1/metrics", "/v1/logs", "/v1/traces"} {
			if strings.HasSuffix(p, suffix) {
				return true
			}
		}
	}
	return p == "/metrics" || strings.HasPrefix(p, "/-/") || strings.HasPrefix(p, "/assets/")
}

// route is a path without its ids, so that spans of one kind have one name:
// segments that are long or hold digits only are left out.
func route(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if len(s) > 24 || s != "" && strings.Trim(s, "0123456789") == "" {
			segments[i] = "{id}"
		}
	}
	return strings.Join(segments, "/")
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack implements http.Hijacker, for websockets.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.status = http.StatusSwitchingProtocols
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
