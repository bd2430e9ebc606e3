package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// GRPCService is one or more gRPC services and the access that calling them
// needs.
type GRPCService struct {
	Access   Access
	Register func(*grpc.Server)
}

// maxStreams is how many calls one gRPC connection may have at once; OTLP
// senders have a handful.
const maxStreams = 128

func (s *Server) grpcEndpoint(e *endpoint) {
	g := &grpcGate{gate: s.options.Gate, log: s.log, base: s.base, drain: s.drain, access: map[string]Access{}, slow: s.config.SlowRequest, metrics: newGRPCMetrics(s.options.Registerer)}
	opts := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(g.unary),
		grpc.ChainStreamInterceptor(g.stream),
		grpc.MaxRecvMsgSize(int(s.config.MaxUnpackedBytes)),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(64 << 10),
		grpc.ConnectionTimeout(s.config.ReadHeaderTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 10 * time.Minute, Time: time.Minute, Timeout: 20 * time.Second}),
	}
	if e.certs != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(e.certs.Config())))
	}
	srv := grpc.NewServer(opts...)
	for _, service := range s.options.GRPC {
		service.Register(srv)
		for name := range srv.GetServiceInfo() {
			if _, ok := g.access[name]; !ok {
				g.access[name] = service.Access
			}
		}
	}
	e.serve = srv.Serve
	e.stop = func(ctx context.Context) error {
		done := make(chan struct{})
		go func() { srv.GracefulStop(); close(done) }()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e.kill = srv.Stop
}

// tlsListener is the listener with TLS around it, where net/http wants it; gRPC
// does its handshake itself.
func (e *endpoint) tlsListener() net.Listener {
	if e.certs == nil || e.name == "otlp_grpc" {
		return e.listener
	}
	return tls.NewListener(e.listener, e.certs.Config())
}

// grpcGate is to gRPC what Mux is to HTTP.
type grpcGate struct {
	gate    *Gate
	log     *slog.Logger
	base    context.Context // ends when draining takes too long
	drain   context.Context
	access  map[string]Access // by service
	slow    time.Duration
	metrics *grpcMetrics
}

func (g *grpcGate) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (out any, err error) {
	err = g.call(ctx, info.FullMethod, func(ctx context.Context) error {
		out, err = handler(ctx, req)
		return err
	})
	return out, err
}

func (g *grpcGate) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return g.call(stream.Context(), info.FullMethod, func(ctx context.Context) error {
		ctx, end := endWithDrain(ctx)
		defer end()
		return handler(srv, &streamWithContext{stream, ctx})
	})
}

type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *streamWithContext) Context() context.Context { return s.ctx }

// call runs one call: who it is, what it may, panics, metrics, the log.
func (g *grpcGate) call(ctx context.Context, method string, run func(ctx context.Context) error) (err error) {
	begin := time.Now()
	md, _ := metadata.FromIncomingContext(ctx)
	req := &request{id: requestID(http.Header{RequestIDHeader: md.Get(RequestIDHeader)}), log: g.log}
	ctx, cancel := context.WithCancelCause(context.WithValue(withDrain(ctx, g.drain), requestKey{}, req))
	defer cancel(nil)
	defer context.AfterFunc(g.base, func() { cancel(ErrDraining) })()

	g.metrics.inFlight.Inc()
	defer func() {
		if v := recover(); v != nil {
			g.metrics.panics.Inc()
			g.log.LogAttrs(ctx, slog.LevelError, "panic while serving", slog.String("id", req.id), slog.String("method", method), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			err = status.Error(codes.Internal, hiddenMessage(req))
		}
		g.metrics.inFlight.Dec()
		took := time.Since(begin)
		g.metrics.observe(method, status.Code(err), took)
		g.logCall(ctx, method, req, err, took)
	}()
	f, authorization, subject := callFacts(ctx, md, g.access[serviceOf(method)])
	id, tenant, err := g.gate.decide(ctx, f, authorization, subject)
	if err != nil {
		return GRPCError(ctx, err)
	}
	req.caller, req.tenant = id, tenant
	return GRPCError(ctx, run(WithTenant(WithCaller(ctx, id), tenant)))
}

func (g *grpcGate) logCall(ctx context.Context, method string, req *request, err error, took time.Duration) {
	level, message := slog.LevelDebug, "call"
	if g.slow > 0 && took > g.slow {
		level, message = slog.LevelWarn, "slow call"
	}
	if !g.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("id", req.id), slog.String("method", method), slog.String("caller", req.caller.Name), slog.String("tenant", req.tenant), slog.Duration("took", took)}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	g.log.LogAttrs(ctx, level, message, attrs...)
}

// serviceOf is the service in /service/method. A service without an access is
// Admin's, the zero Access.
func serviceOf(method string) string {
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return service
}

// callFacts gathers what decide needs of a gRPC call.
func callFacts(ctx context.Context, md metadata.MD, a Access) (f facts, authorization, subject string) {
	first := func(key string) string {
		if v := md.Get(key); len(v) > 0 {
			return strings.TrimSpace(v[0])
		}
		return ""
	}
	f = facts{
		Access: a, Host: first(":authority"), Method: http.MethodPost, Forwarded: forwardedHeader(md), Tenant: first(TenantHeader),
		Origin: first("origin"), FetchSite: first("sec-fetch-site"), FetchMode: first("sec-fetch-mode"), Credential: MethodNone,
	}
	if p, ok := peer.FromContext(ctx); ok {
		f.Peer = addrOf(p.Addr)
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			subject = subjectOf(&info.State)
		}
	}
	return f, first("authorization"), subject
}

func addrOf(a net.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	return peerAddr(a.String())
}

// grpcMetrics count calls; method is bounded by what is registered, for gRPC
// answers unknown methods before any interceptor.
type grpcMetrics struct {
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	panics   prometheus.Counter
}

func newGRPCMetrics(reg prometheus.Registerer) *grpcMetrics {
	return &grpcMetrics{
		calls:    register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_server_grpc_calls_total", Help: "gRPC calls by method and status code."}, []string{"method", "code"})),
		duration: register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "watchfire_server_grpc_call_duration_seconds", Help: "Time from a gRPC call's message to its answer.", Buckets: durationBuckets}, []string{"method"})),
		inFlight: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Name: "watchfire_server_grpc_calls_in_flight", Help: "gRPC calls being served."})),
		panics:   register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_server_grpc_panics_total", Help: "gRPC calls that panicked: each is a bug."})),
	}
}

func (m *grpcMetrics) observe(method string, code codes.Code, took time.Duration) {
	m.calls.WithLabelValues(method, code.String()).Inc()
	m.duration.WithLabelValues(method).Observe(took.Seconds())
}
