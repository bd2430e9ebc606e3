package legacy

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/embed"
	"github.com/watchfire/watchfire/collector/otlp"
)

// Options are what the receivers work with.
type Options struct {
	Config Config
	OTLP   *otlp.Receiver
	Counts *collector.Metrics
	Logger *slog.Logger
}

// New makes the receivers that the configuration asks for, none when it names
// no address. The configuration has been validated.
func New(ctx context.Context, o Options) ([]*embed.Receiver, error) {
	var out []*embed.Receiver
	for _, p := range o.Config.parts() {
		r, err := embed.New(ctx, embed.Options{
			Factory: p.factory, Settings: p.settings, Logger: o.Logger, Traces: consume(o, p.name),
		})
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// consume stores traces. An error reaches senders over HTTP and gRPC, which
// may repeat them; what came over UDP is lost then. The receivers do not tell
// which it was, so that what counts as dropped is the most that can be lost.
func consume(o Options, protocol string) embed.ConsumeTraces {
	return func(ctx context.Context, td ptrace.Traces) error {
		n := td.SpanCount()
		if _, err := o.OTLP.Traces(ctx, o.Config.tenant(), protocol, td); err != nil {
			if o.Config.Jaeger.ThriftCompact != "" || o.Config.Jaeger.ThriftBinary != "" {
				o.Counts.Drop(protocol, "traces", n)
			}
			return fmt.Errorf("cannot store spans: %w", err)
		}
		return nil
	}
}
