package server

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// echo answers with errors that its request asks for, and with who called in a
// header.
type echo struct {
	health.UnimplementedHealthServer
}

func (echo) Check(ctx context.Context, r *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	_ = grpc.SetHeader(ctx, metadata.Pairs("who", Caller(ctx).Name, "tenant", Tenant(ctx)))
	switch r.Service {
	case "panic":
		panic("boom")
	case "busy":
		return nil, TooMany(2*time.Second, "slow down")
	case "wait":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &health.HealthCheckResponse{Status: health.HealthCheckResponse_SERVING}, nil
}

func (echo) Watch(_ *health.HealthCheckRequest, s grpc.ServerStreamingServer[health.HealthCheckResponse]) error {
	if err := s.Send(&health.HealthCheckResponse{}); err != nil {
		return err
	}
	<-s.Context().Done()
	return context.Cause(s.Context())
}

func echoService(a Access) GRPCService {
	return GRPCService{Access: a, Register: func(s *grpc.Server) { health.RegisterHealthServer(s, echo{}) }}
}

func grpcClient(t *testing.T, s *running, tlsConfig *tls.Config, opts ...grpc.DialOption) health.HealthClient {
	creds := insecure.NewCredentials()
	if tlsConfig != nil {
		creds = credentials.NewTLS(tlsConfig)
	}
	conn, err := grpc.NewClient(s.Addr("otlp_grpc"), append(opts, grpc.WithTransportCredentials(creds))...)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return health.NewHealthClient(conn)
}

func TestGRPC(t *testing.T) {
	c := testConfig()
	c.OTLPGRPC.Listen = "127.0.0.1:0"
	c.MaxUnpackedBytes = 100_000
	c.Access.Tokens = []KeyConfig{
		{Name: "agent", Hash: HashToken("agent-secret"), Role: RoleIngest, Tenant: "a"},
		{Name: "reader", Hash: HashToken("reader-secret"), Role: RoleRead},
	}
	s := run(t, c, nil, echoService(Ingest))
	client := grpcClient(t, s, nil)
	for _, call := range []struct {
		name, service string
		md            []string
		opts          []grpc.CallOption
		code          codes.Code
		says          string
		who, tenant   string
	}{
		{"loopback", "", nil, nil, codes.OK, "", "local", "default"},
		{"tenant", "", []string{"x-scope-orgid", "b"}, nil, codes.OK, "", "local", "b"},
		{"two tenants", "", []string{"x-scope-orgid", "a|b"}, nil, codes.InvalidArgument, "one tenant", "", ""},
		{"proxy", "", []string{"x-forwarded-for", "192.0.2.1"}, nil, codes.Unauthenticated, "x-forwarded-for", "", ""},
		{"token", "", []string{"authorization", "Bearer agent-secret"}, nil, codes.OK, "", "agent", "a"},
		{"token of another tenant", "", []string{"authorization", "Bearer agent-secret", "x-scope-orgid", "b"}, nil, codes.PermissionDenied, "belongs to tenant", "", ""},
		{"token of another role", "", []string{"authorization", "Bearer reader-secret"}, nil, codes.PermissionDenied, "needs role ingest", "", ""},
		{"wrong token", "", []string{"authorization", "Bearer x"}, nil, codes.Unauthenticated, "not known", "", ""},
		{"zstd", strings.Repeat("z", 50_000), nil, []grpc.CallOption{grpc.UseCompressor("zstd")}, codes.OK, "", "local", "default"},
		{"zstd again", strings.Repeat("z", 50_000), nil, []grpc.CallOption{grpc.UseCompressor("zstd")}, codes.OK, "", "local", "default"},
		{"gzip", strings.Repeat("z", 50_000), nil, []grpc.CallOption{grpc.UseCompressor(gzip.Name)}, codes.OK, "", "local", "default"},
		{"too large", strings.Repeat("z", 200_000), nil, nil, codes.ResourceExhausted, "100000", "", ""},
		{"zstd bomb", strings.Repeat("z", 20_000_000), nil, []grpc.CallOption{grpc.UseCompressor("zstd")}, codes.ResourceExhausted, "100000", "", ""},
		{"gzip bomb", strings.Repeat("z", 20_000_000), nil, []grpc.CallOption{grpc.UseCompressor(gzip.Name)}, codes.ResourceExhausted, "100000", "", ""},
		{"panic", "panic", nil, nil, codes.Internal, "internal error", "", ""},
		{"after the panic", "", nil, nil, codes.OK, "", "local", "default"},
	} {
		t.Run(call.name, func(t *testing.T) {
			ctx := metadata.AppendToOutgoingContext(t.Context(), call.md...)
			var header metadata.MD
			_, err := client.Check(ctx, &health.HealthCheckRequest{Service: call.service}, append(call.opts, grpc.Header(&header))...)
			require.Equal(t, call.code, status.Code(err), err)
			if call.code == codes.OK {
				require.Equal(t, []string{call.who}, header.Get("who"))
				require.Equal(t, []string{call.tenant}, header.Get("tenant"))
				return
			}
			require.Contains(t, status.Convert(err).Message(), call.says)
		})
	}
	t.Run("retry information", func(t *testing.T) {
		_, err := client.Check(t.Context(), &health.HealthCheckRequest{Service: "busy"})
		st := status.Convert(err)
		require.Equal(t, codes.ResourceExhausted, st.Code())
		require.Equal(t, 2*time.Second, st.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration())
	})
	t.Run("unknown service", func(t *testing.T) {
		conn, err := grpc.NewClient(s.Addr("otlp_grpc"), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		defer conn.Close()
		err = conn.Invoke(t.Context(), "/no.Such/Method", &health.HealthCheckRequest{}, &health.HealthCheckResponse{})
		require.Equal(t, codes.Unimplemented, status.Code(err))
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer agent-secret")
		err = conn.Invoke(ctx, "/no.Such/Method", &health.HealthCheckRequest{}, &health.HealthCheckResponse{})
		require.Equal(t, codes.PermissionDenied, status.Code(err))
	})
	t.Run("no memory for the message", func(t *testing.T) {
		s.options.Memory.used.Add(1 << 20)
		defer s.options.Memory.used.Add(-1 << 20)
		_, err := client.Check(t.Context(), &health.HealthCheckRequest{Service: strings.Repeat("z", 50_000)})
		st := status.Convert(err)
		require.Equal(t, codes.Unavailable, st.Code())
		require.Contains(t, st.Message(), "server.max_inflight_bytes")
		require.Equal(t, time.Second, st.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration())
	})
	t.Run("memory is given back", func(t *testing.T) {
		require.Eventually(t, func() bool { return s.options.Memory.used.Load() == 0 }, testWait, testTick)
	})
	t.Run("DNS rebinding", func(t *testing.T) {
		_, err := grpcClient(t, s, nil, grpc.WithAuthority("evil.example")).Check(t.Context(), &health.HealthCheckRequest{})
		require.Equal(t, codes.Unauthenticated, status.Code(err))
	})
	t.Run("drain", func(t *testing.T) {
		stream, err := client.Watch(t.Context(), &health.HealthCheckRequest{})
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)
		waiting := make(chan error)
		go func() {
			_, err := client.Check(t.Context(), &health.HealthCheckRequest{Service: "wait"})
			waiting <- err
		}()
		require.Eventually(t, func() bool { return s.calls() == 2 }, testWait, testTick)
		require.ErrorIs(t, s.stop(), ErrDraining)
		require.Equal(t, codes.Unavailable, status.Code(<-waiting), "cut off at the deadline: send it again")
		_, err = stream.Recv()
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.ErrorContains(t, err, "shutting down", "ended when draining began")
	})
}

func TestGRPCMutualTLS(t *testing.T) {
	ca := newAuthority(t)
	c := testConfig()
	c.OTLPGRPC = Listener{Listen: "127.0.0.1:0", TLS: ca.files(true)}
	c.Access.TrustLoopback = false
	c.Access.Certificates = []CertConfig{{Subject: "agent-1", Role: RoleIngest, Tenant: "a"}}
	s := run(t, c, nil, echoService(Ingest))
	var header metadata.MD
	_, err := grpcClient(t, s, ca.client("agent-1")).Check(t.Context(), &health.HealthCheckRequest{}, grpc.Header(&header))
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, header.Get("tenant"))
	_, err = grpcClient(t, s, ca.client("stranger")).Check(t.Context(), &health.HealthCheckRequest{})
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	_, err = grpcClient(t, s, ca.client("")).Check(t.Context(), &health.HealthCheckRequest{})
	require.Equal(t, codes.Unavailable, status.Code(err))
}
