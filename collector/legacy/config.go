package legacy

import (
	"context"
	"errors"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/jaegerreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/zipkinreceiver"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/embed"
	"github.com/watchfire/watchfire/telemetry"
)

// Config says where to listen; an empty address is not listened on.
type Config struct {
	// Tenant is whose the traces are; empty = default.
	Tenant string       `yaml:"tenant"`
	Jaeger JaegerConfig `yaml:"jaeger"`
	// Zipkin is the address for /api/v1/spans and /api/v2/spans, usually port 9411.
	Zipkin string `yaml:"zipkin"`
	// AllowAnonymous permits addresses that are not loopback.
	AllowAnonymous bool `yaml:"allow_anonymous"`
}

// JaegerConfig are the addresses of Jaeger's protocols.
type JaegerConfig struct {
	GRPC          string `yaml:"grpc"`           // usually port 14250
	ThriftHTTP    string `yaml:"thrift_http"`    // usually port 14268
	ThriftCompact string `yaml:"thrift_compact"` // UDP, usually port 6831
	ThriftBinary  string `yaml:"thrift_binary"`  // UDP, usually port 6832
}

// part is one receiver.
type part struct {
	name     string
	factory  receiver.Factory
	settings map[string]any
}

// parts are the receivers that the configuration asks for.
func (c Config) parts() (out []part) {
	protocols := map[string]any{}
	for name, address := range c.Jaeger.addresses() {
		if address == "" {
			continue
		}
		protocols[name] = map[string]any{"endpoint": address}
	}
	if len(protocols) > 0 {
		out = append(out, part{"jaeger", jaegerreceiver.NewFactory(), map[string]any{"protocols": protocols}})
	}
	if c.Zipkin != "" {
		out = append(out, part{"zipkin", zipkinreceiver.NewFactory(), map[string]any{"endpoint": c.Zipkin}})
	}
	return out
}

func (c JaegerConfig) addresses() map[string]string {
	return map[string]string{"grpc": c.GRPC, "thrift_http": c.ThriftHTTP, "thrift_compact": c.ThriftCompact, "thrift_binary": c.ThriftBinary}
}

// Validate returns all problems.
func (c Config) Validate() error {
	var errs []error
	for name, address := range c.Jaeger.addresses() {
		if address != "" {
			errs = append(errs, collector.CheckListen("jaeger."+name, address, c.AllowAnonymous))
		}
	}
	if c.Zipkin != "" {
		errs = append(errs, collector.CheckListen("zipkin", c.Zipkin, c.AllowAnonymous))
	}
	for _, p := range c.parts() {
		errs = append(errs, embed.Check(embed.Options{
			Factory: p.factory, Settings: p.settings, Traces: func(context.Context, ptrace.Traces) error { return nil },
		}))
	}
	return errors.Join(errs...)
}

func (c Config) tenant() string {
	if c.Tenant == "" {
		return telemetry.DefaultTenant
	}
	return c.Tenant
}
