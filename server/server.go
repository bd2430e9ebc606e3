package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// Options are what a Server serves and works with.
type Options struct {
	HTTP       http.Handler  // of the http listener, a Mux
	OTLP       http.Handler  // of the otlp_http listener, nil = HTTP
	GRPC       []GRPCService // of the otlp_grpc listener
	Gate       *Gate         // who callers are, nil = clients on this machine only
	Memory     *BodyMemory   // of gRPC messages, shared with the Mux's bodies; nil = unlimited
	Logger     *slog.Logger  // nil = slog.Default
	Registerer prometheus.Registerer
}

// Server owns the listeners.
type Server struct {
	config  Config
	options Options
	log     *slog.Logger
	ends    []*endpoint
	active  atomic.Int64 // handlers, also those of taken-over connections

	drain      context.Context // done when draining begins
	beginDrain context.CancelFunc
	base       context.Context // of all requests; ends when draining takes too long
	cutOff     context.CancelCauseFunc
}

// endpoint is one listener with what serves it.
type endpoint struct {
	name     string
	listener net.Listener // nil before Listen
	certs    *Certificates
	serve    func(net.Listener) error
	stop     func(ctx context.Context) error // graceful, until ctx ends
	kill     func()
}

// New checks the configuration and wires a server; it opens nothing but the
// TLS files.
func New(c Config, o Options) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if o.Gate == nil {
		o.Gate = loopbackGate()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.OTLP == nil {
		o.OTLP = o.HTTP
	}
	s := &Server{config: c, options: o, log: o.Logger}
	s.drain, s.beginDrain = context.WithCancel(context.Background())
	s.base, s.cutOff = context.WithCancelCause(withDrain(context.Background(), s.drain))
	for _, l := range c.named() {
		if l.Listen == "" {
			continue
		}
		e, err := s.endpoint(l)
		if err != nil {
			return nil, err
		}
		s.ends = append(s.ends, e)
	}
	return s, nil
}

func (s *Server) endpoint(l namedListener) (*endpoint, error) {
	e := &endpoint{name: l.name}
	if l.TLS.Enabled() {
		certs, err := LoadCertificates(l.TLS, s.log, "h2", "http/1.1")
		if err != nil {
			return nil, fmt.Errorf("server.%s.tls: %w", l.name, err)
		}
		e.certs = certs
		register(s.options.Registerer, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "watchfire_server_certificate_expiry_seconds", Help: "When the listener's TLS certificate ends, in Unix seconds.", ConstLabels: prometheus.Labels{"listener": l.name}},
			func() float64 { return float64(certs.Expires().Unix()) }))
	}
	switch l.name {
	case "otlp_grpc":
		s.grpcEndpoint(e)
	case "otlp_http":
		s.httpEndpoint(e, s.options.OTLP)
	default:
		s.httpEndpoint(e, s.options.HTTP)
	}
	return e, nil
}

func (s *Server) httpEndpoint(e *endpoint, h http.Handler) {
	h = progress{stall: s.config.StallTimeout, minRate: s.config.MinBytesPerSecond}.wrap(h)
	srv := &http.Server{
		Handler:           s.counted(h),
		ReadHeaderTimeout: s.config.ReadHeaderTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    256 << 10,                                           // long queries come in the URL
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // broken handshakes and the like: strangers can cause any number
		BaseContext:       func(net.Listener) context.Context { return s.base },
	}
	e.serve = srv.Serve
	e.stop = srv.Shutdown
	e.kill = func() { _ = srv.Close() }
}

// counted lets Run wait for handlers that Shutdown does not know, those of
// websockets.
func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.active.Add(1)
		defer s.active.Add(-1)
		h.ServeHTTP(w, r)
	})
}

// Listen opens the listeners, all or none. Run does it when it was not done
// before; calling it first tells a used address before slower things start.
func (s *Server) Listen(ctx context.Context) error {
	if err := s.config.checkExposure(ctx, s.options.Gate); err != nil {
		return err
	}
	open := register(s.options.Registerer, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "watchfire_server_connections", Help: "Open connections by listener."}, []string{"listener"}))
	refused := register(s.options.Registerer, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_server_connections_refused_total", Help: "Connections closed at once because the listener had max_connections of them."}, []string{"listener"}))
	var errs []error
	for _, e := range s.ends {
		l := s.named(e.name)
		raw, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Listen)
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%s: address %s is in use by another process: stop that, or choose another address", l.option(), l.Listen)
		} else if err != nil {
			err = fmt.Errorf("%s: cannot listen on %s: %w", l.option(), l.Listen, err)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		e.listener = &connLimit{Listener: raw, max: s.config.MaxConnections, open: open.WithLabelValues(e.name), refused: refused.WithLabelValues(e.name)}
		if !l.TLS.Enabled() && !loopbackAddress(l.Listen) {
			s.log.Warn("listening without TLS where other machines can reach it: credentials pass in the clear", "option", l.option(), "address", raw.Addr().String())
		}
	}
	if err := errors.Join(errs...); err != nil {
		s.closeListeners()
		return err
	}
	return nil
}

func (s *Server) named(name string) namedListener {
	for _, l := range s.config.named() {
		if l.name == name {
			return l
		}
	}
	return namedListener{}
}

func (s *Server) closeListeners() {
	for _, e := range s.ends {
		if e.listener != nil {
			_ = e.listener.Close()
			e.listener = nil
		}
	}
}

// Addr is the address of a listener (http, otlp_grpc, otlp_http) after Listen,
// "" when it is off.
func (s *Server) Addr(name string) string {
	for _, e := range s.ends {
		if e.name == name && e.listener != nil {
			return e.listener.Addr().String()
		}
	}
	return ""
}

// certificatePeriod is how often TLS files are looked at.
const certificatePeriod = 30 * time.Second

// Run serves until ctx ends or a listener fails, then drains: no new
// connections, long-lived requests end, others get drain_timeout, then they are
// cut off. It returns nil after a drain, ErrDraining when requests were cut off.
func (s *Server) Run(ctx context.Context) error {
	if len(s.ends) > 0 && s.ends[0].listener == nil {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	failed := make(chan error, len(s.ends))
	for _, e := range s.ends {
		s.log.Info("listening", "listener", e.name, "address", e.listener.Addr().String(), "tls", e.certs != nil)
		g.Go(func() error {
			err := e.serve(e.tlsListener())
			if err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("listener %s: %w", e.name, err)
			}
			return nil
		})
	}
	g.Go(func() error { s.watchCertificates(ctx); return nil })
	g.Go(func() error { return s.options.Gate.Run(ctx) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	err = errors.Join(err, s.stop())
	s.cutOff(ErrDraining)
	cancel()
	return errors.Join(err, g.Wait())
}

func (s *Server) watchCertificates(ctx context.Context) {
	t := time.NewTicker(certificatePeriod)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := s.Reload(); err != nil {
				s.log.Error("TLS files cannot be used, the certificates in use stay", "error", err)
			}
		}
	}
}

// Reload reads the TLS files again, as on SIGHUP; Run does it by itself too.
// The Gate and the Limiter have reloads of their own.
func (s *Server) Reload() error {
	var errs []error
	for _, e := range s.ends {
		if e.certs != nil {
			if err := e.certs.Reload(); err != nil {
				errs = append(errs, fmt.Errorf("server.%s.tls: %w", e.name, err))
			}
		}
	}
	return errors.Join(errs...)
}
