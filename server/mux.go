package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MuxOptions are what a Mux works with; the zero value serves clients on this
// machine as administrators, logs to slog.Default and keeps its metrics to
// itself.
type MuxOptions struct {
	Gate       *Gate // who callers are; nil = clients on this machine only
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	MaxBody    int64         // largest body as sent, in bytes, 0 = unlimited
	Unpacked   int64         // largest body that Body unpacks, in bytes, 0 = DefaultMaxUnpacked
	Memory     *BodyMemory   // of all bodies that Body reads together, nil = unlimited
	Slow       time.Duration // requests that take longer are logged, 0 = none
}

// Mux routes requests by the patterns of http.ServeMux, each with the access
// that its callers need. It knows the caller, puts tenant and identity into
// the context, answers panics and unknown routes, and counts and logs. Routes
// are added before it serves.
type Mux struct {
	routes  *http.ServeMux
	gate    *Gate
	log     *slog.Logger
	metrics *muxMetrics
	options MuxOptions
	gzip    func(http.Handler) http.HandlerFunc
}

// NewMux returns a Mux without routes.
func NewMux(o MuxOptions) *Mux {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Gate == nil {
		o.Gate = loopbackGate()
	}
	return &Mux{routes: http.NewServeMux(), gate: o.Gate, log: o.Logger, metrics: newMuxMetrics(o.Registerer), options: o, gzip: newGzip()}
}

// Option changes how one route is served.
type Option func(*route)

// Errors tells the route's errors in the format, also those that Mux itself
// finds, such as an unknown caller.
func Errors(f Format) Option { return func(rt *route) { rt.format = f } }

// MaxBody overrides MuxOptions.MaxBody for the route, 0 = unlimited.
func MaxBody(bytes int64) Option { return func(rt *route) { rt.maxBody = bytes } }

// LongLived marks a route whose requests last until the client leaves, such as
// a tail: they are no slow requests, are not compressed, and their context ends
// (with ErrDraining as its cause) as soon as the server begins to drain.
func LongLived() Option { return func(rt *route) { rt.slow, rt.longLived = 0, true } }

type route struct {
	pattern string
	access  Access
	handler http.Handler
	format  Format
	maxBody int64
	slow    time.Duration

	longLived bool
}

// Handle adds a route. The pattern is http.ServeMux's ("GET /a/{id}"); a
// malformed or conflicting one panics, for it is a bug.
func (m *Mux) Handle(pattern string, access Access, h http.Handler, opts ...Option) {
	rt := &route{pattern: pattern, access: access, handler: h, maxBody: m.options.MaxBody, slow: m.options.Slow}
	for _, o := range opts {
		o(rt)
	}
	var served http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(rt, w, r) })
	if rt.access != Ingest && !rt.longLived { // answers to pushes are short
		served = m.gzip(served)
	}
	m.routes.Handle(pattern, served)
}

// HandleFunc is Handle(pattern, access, server.Handle(fn)).
func (m *Mux) HandleFunc(pattern string, access Access, fn func(w http.ResponseWriter, r *http.Request) error, opts ...Option) {
	m.Handle(pattern, access, Handle(fn), opts...)
}

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header())
	if m.crossOrigin(w, r) {
		return
	}
	h, pattern := m.routes.Handler(r)
	if pattern == "" {
		m.serve(unknownRoute(h), w, r)
		return
	}
	m.routes.ServeHTTP(w, r)
}

// serve runs one request of a route.
func (m *Mux) serve(rt *route, w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	req := &request{id: requestID(r.Header), log: m.log, format: rt.format, writer: &responseWriter{ResponseWriter: w},
		hold: hold{memory: m.options.Memory}, maxUnpacked: m.options.Unpacked}
	defer req.hold.release()
	w = req.writer
	w.Header()[RequestIDHeader] = []string{req.id}
	ctx := context.WithValue(r.Context(), requestKey{}, req)
	if rt.longLived {
		var end context.CancelFunc
		ctx, end = endWithDrain(ctx)
		defer end()
	}
	r = r.WithContext(ctx)
	body := countBody(w, r, rt.maxBody)

	m.metrics.inFlight.Inc()
	defer func() {
		v := recover()
		cut := v != nil && !m.recovered(v, w, r)
		m.metrics.inFlight.Dec()
		took := time.Since(begin)
		m.metrics.observe(rt.pattern, req.writer, body.n, took)
		m.logRequest(rt, r, req, body.n, took)
		if cut {
			panic(http.ErrAbortHandler)
		}
	}()
	id, tenant, err := m.gate.admit(r, rt.access)
	if err != nil {
		m.gate.challenge(w, err)
		WriteError(w, r, err)
		return
	}
	req.caller, req.tenant = id, tenant
	rt.handler.ServeHTTP(w, r.WithContext(WithTenant(WithCaller(ctx, id), tenant)))
}

// recovered answers a panic with 500. When the answer had begun it returns
// false: the connection then has to be cut, so that the client notices.
func (m *Mux) recovered(v any, w http.ResponseWriter, r *http.Request) bool {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return false
	}
	m.metrics.panics.Inc()
	req := requestOf(r.Context())
	m.log.LogAttrs(r.Context(), slog.LevelError, "panic while serving", slog.String("id", req.id), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	if req.writer.status != 0 || req.writer.hijacked {
		return false
	}
	writeError(w, r, req, &Error{Status: http.StatusInternalServerError, Reason: ReasonInternal, Message: hiddenMessage(req)})
	return true
}

// unknownRoute answers 404 or 405 as h, ServeMux's own handler, would, in our
// format and with its Allow header.
func unknownRoute(h http.Handler) *route {
	return &route{pattern: "unknown", access: Public, handler: Handle(func(w http.ResponseWriter, r *http.Request) error {
		probe := &discard{header: http.Header{}}
		h.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			allow := probe.header.Get("Allow")
			w.Header().Set("Allow", allow)
			return &Error{Status: http.StatusMethodNotAllowed, Reason: ReasonMethod, Message: fmt.Sprintf("method %s is not allowed for %s: use %s", r.Method, r.URL.Path, allow)}
		}
		return NotFound("no such path %s", r.URL.Path)
	})}
}

// discard is a ResponseWriter that keeps status and header only.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
