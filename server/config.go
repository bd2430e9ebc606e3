package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Config configures the listeners and what comes in by them (option server).
// Sizes are bytes.
type Config struct {
	HTTP     Listener `yaml:"http"`      // pages, APIs and pushes
	OTLPGRPC Listener `yaml:"otlp_grpc"` // OTLP and other gRPC
	OTLPHTTP Listener `yaml:"otlp_http"` // OTLP/HTTP on its own port

	Access AccessConfig `yaml:"access"`
	Limits LimitsConfig `yaml:"limits"`

	MaxBodyBytes     int64 `yaml:"max_body_bytes"`     // of a request as sent
	MaxUnpackedBytes int64 `yaml:"max_unpacked_bytes"` // of a body, or gRPC message, after decompression
	MaxInflightBytes int64 `yaml:"max_inflight_bytes"` // of all unpacked bodies in hand, 0 = unlimited
	MaxConnections   int   `yaml:"max_connections"`    // of each listener, 0 = unlimited

	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout"`  // for TLS and the header of a request
	IdleTimeout       time.Duration `yaml:"idle_timeout"`         // of a connection between requests
	StallTimeout      time.Duration `yaml:"stall_timeout"`        // the longest pause within a body, or an answer that its client does not take
	MinBytesPerSecond int64         `yaml:"min_bytes_per_second"` // that a body has to bring on the average, 0 = any
	DrainTimeout      time.Duration `yaml:"drain_timeout"`        // for requests in hand when the server stops
	SlowRequest       time.Duration `yaml:"slow_request"`         // requests that take longer are logged, 0 = none
}

// Listener is one address and its TLS.
type Listener struct {
	Listen string `yaml:"listen"` // host:port, :port for every address, "" = this listener is off
	TLS    TLS    `yaml:"tls"`
}

// DefaultConfig listens on this machine only.
func DefaultConfig() Config {
	return Config{
		HTTP:     Listener{Listen: "127.0.0.1:8930"},
		OTLPGRPC: Listener{Listen: "127.0.0.1:4317"},
		OTLPHTTP: Listener{Listen: "127.0.0.1:4318"},
		Access:   DefaultAccessConfig(),
		Limits:   DefaultLimitsConfig(),

		MaxBodyBytes:     64 << 20,
		MaxUnpackedBytes: DefaultMaxUnpacked,
		MaxInflightBytes: 512 << 20,
		MaxConnections:   4096,

		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		StallTimeout:      30 * time.Second,
		MinBytesPerSecond: 128,
		DrainTimeout:      10 * time.Second,
		SlowRequest:       10 * time.Second,
	}
}

// named are the listeners with the keys of their options.
func (c Config) named() []namedListener {
	return []namedListener{{"http", c.HTTP}, {"otlp_grpc", c.OTLPGRPC}, {"otlp_http", c.OTLPHTTP}}
}

type namedListener struct {
	name string
	Listener
}

func (l namedListener) option() string { return "server." + l.name + ".listen" }

// Validate checks the configuration and reports all problems.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	at := map[string]string{}
	for _, l := range c.named() {
		if l.Listen == "" {
			continue
		}
		_, port, err := net.SplitHostPort(l.Listen)
		if err != nil {
			bad("%s: %q is no address: use host:port, :port for every address of this machine, or \"\" for none", l.option(), l.Listen)
			continue
		}
		if other, ok := at[l.Listen]; ok && port != "0" {
			bad("%s: %q is %s too: use another port", l.option(), l.Listen, other)
		}
		at[l.Listen] = l.option()
		if err := l.TLS.Validate(); err != nil {
			bad("server.%s.%w", l.name, err)
		}
	}
	if c.HTTP.Listen == "" {
		bad("server.http.listen is empty: without it nobody can ask or configure anything")
	}
	if err := c.Access.Validate(); err != nil {
		bad("server.access: %w", err)
	}
	if err := c.Limits.Validate(); err != nil {
		bad("server.limits: %w", err)
	}
	for _, v := range []struct {
		key        string
		value, min int64
	}{
		{"max_body_bytes", c.MaxBodyBytes, 1 << 10}, {"max_unpacked_bytes", c.MaxUnpackedBytes, 1 << 10},
		{"max_inflight_bytes", c.MaxInflightBytes, 0}, {"max_connections", int64(c.MaxConnections), 0}, {"min_bytes_per_second", c.MinBytesPerSecond, 0},
	} {
		if v.value < v.min {
			bad("server.%s is %d: use at least %d", v.key, v.value, v.min)
		}
	}
	if c.MaxInflightBytes > 0 && c.MaxInflightBytes < c.MaxUnpackedBytes {
		bad("server.max_inflight_bytes is %d, less than server.max_unpacked_bytes (%d): raise it or lower that", c.MaxInflightBytes, c.MaxUnpackedBytes)
	}
	for _, v := range []struct {
		key        string
		value, min time.Duration
	}{
		{"read_header_timeout", c.ReadHeaderTimeout, time.Millisecond}, {"idle_timeout", c.IdleTimeout, time.Millisecond}, {"stall_timeout", c.StallTimeout, time.Millisecond},
		{"drain_timeout", c.DrainTimeout, 0}, {"slow_request", c.SlowRequest, 0},
	} {
		if v.value < v.min {
			bad("server.%s is %s: use at least %s", v.key, v.value, v.min)
		}
	}
	return errors.Join(errs...)
}

// checkExposure refuses to listen where other machines can reach it, when
// nobody on them could log in: what was meant is not known then, and the likely
// guess would open everything.
func (c Config) checkExposure(ctx context.Context, g *Gate) error {
	var errs []error
	for _, l := range c.named() {
		if l.Listen == "" || loopbackAddress(l.Listen) {
			continue
		}
		ok, err := g.someoneCanLogIn(ctx)
		if err != nil {
			return fmt.Errorf("cannot tell whether there are tokens, which listening on %s needs: %w", l.Listen, err)
		}
		if !ok {
			errs = append(errs, fmt.Errorf("%s is %s, which other machines can reach, but authentication is not configured: make a token with `watchfire token create`, or set server.access.users, server.access.tokens or server.access.client_certificates; server.access.anonymous_role lets everybody in", l.option(), l.Listen))
		}
	}
	return errors.Join(errs...)
}

// loopbackAddress reports whether only this machine can reach the address. A
// name other than localhost may be anything.
func loopbackAddress(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
