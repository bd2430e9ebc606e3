package server

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
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
	g := &grpcGate{memory: s.options.Memory, gate: s.options.Gate, log: s.log, base: s.base, drain: s.drain, access: map[string]Access{}, slow: s.config.SlowRequest, metrics: newGRPCMetrics(s.options.Registerer)}
	opts := []grpc.ServerOption{
		grpc.InTapHandle(g.tap),
		grpc.StatsHandler(messageMemory{}),
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
