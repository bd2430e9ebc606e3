package otlp

import (
	"context"

	"google.golang.org/grpc"

	"github.com/watchfire/watchfire/server"
)

// RegisterGRPC adds the three services of OTLP to s.
func (r *Receiver) RegisterGRPC(s *grpc.Server) {
	for name, sig := range map[string]signal{
		"opentelemetry.proto.collector.metrics.v1.MetricsService": metricsSignal,
		"opentelemetry.proto.collector.logs.v1.LogsService":       logsSignal,
		"opentelemetry.proto.collector.trace.v1.TraceService":     tracesSignal,
	} {
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: name,
			HandlerType: (*any)(nil),
			Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: r.grpcHandler(name, sig)}},
		}, r)
	}
}

// grpcHandler decodes only after the interceptors have let the caller in, and
// measures the message before that.
func (r *Receiver) grpcHandler(service string, s signal) grpc.MethodHandler {
	return func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		handle := func(ctx context.Context, _ any) (any, error) {
			if err := r.admit.Ask(server.Tenant(ctx), s.name, server.Use{}); err != nil {
				return nil, server.GRPCError(ctx, err)
			}
			var m message
			if err := decode(&m); err != nil {
				return nil, err
			}
			resp, err := r.receive(ctx, s, m.body, false)
			if err != nil {
				return nil, server.GRPCError(ctx, err)
			}
			return &resp, nil
		}
		if intercept == nil {
			return handle(ctx, nil)
		}
		return intercept(ctx, nil, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/" + service + "/Export"}, handle)
	}
}

// message is a request's bytes. pdata, which this package imports, registers a
// codec that hands the bytes to any message with these methods.
type message struct{ body []byte }

// UnmarshalProto keeps a copy: the codec takes its buffer back.
func (m *message) UnmarshalProto(b []byte) error {
	m.body = append([]byte(nil), b...)
	return nil
}

// SizeProto and MarshalProto complete what the codec asks for; requests are
// never sent from here.
func (m *message) SizeProto() int              { return len(m.body) }
func (m *message) MarshalProto(dst []byte) int { return copy(dst, m.body) }
