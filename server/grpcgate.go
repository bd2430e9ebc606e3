package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// grpcGate is to gRPC what Mux is to HTTP.
type grpcGate struct {
	memory  *BodyMemory
	gate    *Gate
	log     *slog.Logger
	base    context.Context // ends when draining takes too long
	drain   context.Context
	access  map[string]Access // by service
	slow    time.Duration
	metrics *grpcMetrics
}

// grpcCall is what tap found out about a call, for the interceptors.
type grpcCall struct {
	request
	begin  time.Time
	method string // full, or "unknown": bounded, for metrics
}

type grpcCallKey struct{}

// lookupTimeout bounds what tap may wait for a token's store: it holds up the
// other calls of its connection.
const lookupTimeout = 2 * time.Second

// tap knows the caller by the header of a call, before its message is
// received: strangers can't make the server hold messages.
func (g *grpcGate) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	access, known := g.access[serviceOf(info.FullMethodName)] // unknown ones are Admin's, the zero Access
	c := &grpcCall{begin: time.Now(), method: info.FullMethodName, request: request{id: requestID(http.Header{RequestIDHeader: info.Header.Get(RequestIDHeader)}), log: g.log, hold: hold{memory: g.memory}}}
	if !known {
		c.method = "unknown"
	}
	f, authorization, subject := callFacts(ctx, info.Header, access)
	lookup, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	id, tenant, err := g.gate.decide(lookup, f, authorization, subject)
	if err != nil {
		err = GRPCError(ctx, err)
		g.finish(ctx, c, err)
		return ctx, err
	}
	c.caller, c.tenant = id, tenant
	ctx = context.WithValue(ctx, grpcCallKey{}, c)
	ctx = context.WithValue(ctx, requestKey{}, &c.request)
	return WithTenant(WithCaller(withDrain(ctx, g.drain), id), tenant), nil
}

func (g *grpcGate) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (out any, err error) {
	err = g.call(ctx, func(ctx context.Context) error {
		out, err = handler(ctx, req)
		return err
	})
	return out, err
}

func (g *grpcGate) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return g.call(stream.Context(), func(ctx context.Context) error {
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

// call runs one call that tap let in: panics, metrics, the log.
func (g *grpcGate) call(ctx context.Context, run func(ctx context.Context) error) (err error) {
	c, ok := ctx.Value(grpcCallKey{}).(*grpcCall)
	if !ok {
		return status.Error(codes.Internal, "the call was not admitted") // a bug: fail closed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(g.base, func() { cancel(ErrDraining) })()

	g.metrics.inFlight.Inc()
	defer func() {
		if v := recover(); v != nil {
			g.metrics.panics.Inc()
			g.log.LogAttrs(ctx, slog.LevelError, "panic while serving", slog.String("id", c.id), slog.String("method", c.method), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			err = status.Error(codes.Internal, hiddenMessage(&c.request))
		}
		g.metrics.inFlight.Dec()
		g.finish(ctx, c, err)
	}()
	if c.err != nil { // messageMemory had no room
		return GRPCError(ctx, c.err)
	}
	return GRPCError(ctx, run(ctx))
}

// finish counts and logs a call that is over.
func (g *grpcGate) finish(ctx context.Context, c *grpcCall, err error) {
	took := time.Since(c.begin)
	g.metrics.observe(c.method, status.Code(err), took)
	level, message := slog.LevelDebug, "call"
	if g.slow > 0 && took > g.slow {
		level, message = slog.LevelWarn, "slow call"
	}
	if !g.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("id", c.id), slog.String("method", c.method), slog.String("caller", c.caller.Name), slog.String("tenant", c.tenant), slog.Duration("took", took)}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	g.log.LogAttrs(ctx, level, message, attrs...)
}

// messageMemory takes the messages of unary calls from the memory that HTTP
// bodies share. It hears of a message once that is unpacked, before the
// interceptors run, and of the end of every call, also of those that no
// interceptor saw.
type messageMemory struct{}

// HandleRPC implements stats.Handler.
func (messageMemory) HandleRPC(ctx context.Context, s stats.RPCStats) {
	c, ok := ctx.Value(grpcCallKey{}).(*grpcCall)
	if !ok {
		return
	}
	switch s := s.(type) {
	case *stats.InPayload:
		if c.hold.bytes == 0 && c.err == nil { // of a stream, the first
			c.err = c.hold.add(int64(s.Length))
		}
	case *stats.End:
		c.hold.release()
	}
}

// TagRPC implements stats.Handler.
func (messageMemory) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (messageMemory) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (messageMemory) HandleConn(context.Context, stats.ConnStats) {}

// serviceOf is the service in /service/method.
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
