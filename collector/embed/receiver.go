package embed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

// Receiver is a receiver that is ready to run.
type Receiver struct {
	name       string
	component  component.Component
	extensions map[component.ID]component.Component
	frozen     atomic.Bool
}

// Freeze keeps the receiver from remembering any further position: call it when
// something it has read is not going to be stored, so that the next process
// reads it again.
func (r *Receiver) Freeze() { r.frozen.Store(true) }

// Options say what a receiver is made of.
type Options struct {
	// Name tells receivers of one kind apart, in logs and in remembered positions.
	Name    string
	Factory receiver.Factory
	// Settings are the receiver's configuration, as under its name in a collector's YAML.
	Settings map[string]any
	Logger   *slog.Logger
	// Storage keeps positions; nil when the receiver has none.
	Storage *Storage
	// One of the three takes what is received. An error makes receivers that
	// can try again.
	Metrics consumer.ConsumeMetricsFunc
	Logs    consumer.ConsumeLogsFunc
	Traces  consumer.ConsumeTracesFunc
}

// New reads the settings and makes the receiver. The error names the setting
// that is wrong.
func New(ctx context.Context, o Options) (*Receiver, error) {
	id := component.NewIDWithName(o.Factory.Type(), o.Name)
	cfg, err := configure(o.Factory, id, o.Settings)
	if err != nil {
		return nil, err
	}
	r := &Receiver{name: id.String(), extensions: map[component.ID]component.Component{}}
	if o.Storage != nil {
		r.extensions[storageID] = &guarded{Extension: o.Storage.extension, frozen: &r.frozen}
	}
	set := receiver.Settings{ID: id, TelemetrySettings: settings(o.Logger.With("receiver", id.String()))}
	switch {
	case o.Metrics != nil:
		var c consumer.Metrics
		if c, err = consumer.NewMetrics(o.Metrics, consumer.WithCapabilities(consumer.Capabilities{MutatesData: true})); err == nil {
			r.component, err = o.Factory.CreateMetrics(ctx, set, cfg, c)
		}
	case o.Logs != nil:
		var c consumer.Logs
		if c, err = consumer.NewLogs(o.Logs, consumer.WithCapabilities(consumer.Capabilities{MutatesData: true})); err == nil {
			r.component, err = o.Factory.CreateLogs(ctx, set, cfg, c)
		}
	case o.Traces != nil:
		var c consumer.Traces
		if c, err = consumer.NewTraces(o.Traces); err == nil {
			r.component, err = o.Factory.CreateTraces(ctx, set, cfg, c)
		}
	default:
		err = errors.New("no consumer")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot create receiver %s: %w", id, err)
	}
	return r, nil
}

// Check reports what is wrong with a receiver's settings, by making one that is
// never started.
func Check(o Options) error {
	o.Logger, o.Storage = slog.New(slog.DiscardHandler), nil
	_, err := New(context.Background(), o)
	return err
}

func configure(f receiver.Factory, id component.ID, settings map[string]any) (component.Config, error) {
	cfg := f.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(settings).Unmarshal(cfg); err != nil {
		return nil, fmt.Errorf("cannot read the settings of receiver %s: %w", id, err)
	}
	if err := confmap.Validate(cfg); err != nil {
		return nil, fmt.Errorf("settings of receiver %s: %w", id, err)
	}
	return cfg, nil
}

// Run starts the receiver, and stops it when ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	// What is started outlives ctx until it is shut down, so that it can drain.
	background := context.WithoutCancel(ctx)
	if err := r.component.Start(background, r); err != nil {
		return errors.Join(fmt.Errorf("cannot start receiver %s: %w", r.name, err), r.component.Shutdown(background))
	}
	<-ctx.Done()
	if err := r.component.Shutdown(background); err != nil {
		return fmt.Errorf("cannot stop receiver %s: %w", r.name, err)
	}
	return nil
}

// GetExtensions implements component.Host.
func (r *Receiver) GetExtensions() map[component.ID]component.Component { return r.extensions }

// settings are the telemetry that components get: logs only.
func settings(log *slog.Logger) component.TelemetrySettings {
	return component.TelemetrySettings{
		Logger:         zap.New(&slogCore{handler: log.Handler()}),
		TracerProvider: tracenoop.NewTracerProvider(),
		MeterProvider:  metricnoop.NewMeterProvider(),
		Resource:       pcommon.NewResource(),
	}
}

// The consumers' signatures, so that callers need not import them.
type (
	// ConsumeMetrics takes metrics.
	ConsumeMetrics = func(context.Context, pmetric.Metrics) error
	// ConsumeLogs takes logs.
	ConsumeLogs = func(context.Context, plog.Logs) error
	// ConsumeTraces takes traces.
	ConsumeTraces = func(context.Context, ptrace.Traces) error
)
