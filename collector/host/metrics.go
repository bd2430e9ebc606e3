package host

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"github.com/alecthomas/kingpin/v2"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver"
	"github.com/prometheus/client_golang/prometheus"
	nodeexporter "github.com/prometheus/node_exporter/collector"
	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/embed"
	"github.com/watchfire/watchfire/collector/gather"
	"github.com/watchfire/watchfire/collector/otlp"
)

// Runner runs until its context ends.
type Runner interface {
	Run(ctx context.Context) error
}

// Options are what the machine's watchers work with.
type Options struct {
	Config  Config
	OTLP    *otlp.Receiver
	Sinks   collector.Sinks
	Limits  collector.Limits
	Counts  *collector.Metrics
	Storage *embed.Storage
	// Positions is the folder for the journal's position.
	Positions string
	Logger    *slog.Logger
}

// New makes the watchers that the configuration asks for. The configuration
// has been validated.
func New(ctx context.Context, o Options) ([]Runner, error) {
	name, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot find this machine's name: %w", err)
	}
	var out []Runner
	switch o.Config.Metrics.Names {
	case NamesOTel:
		r, err := otelMetrics(ctx, o, name)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	case NamesNodeExporter:
		r, err := nodeMetrics(o, name)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	r, err := logs(ctx, o, name)
	if err != nil {
		return nil, err
	}
	if r != nil {
		out = append(out, r)
	}
	return out, nil
}

// source names these metrics in Watchfire's own.
const source = "host"

func otelMetrics(ctx context.Context, o Options, host string) (Runner, error) {
	return embed.New(ctx, embed.Options{
		Factory: hostmetricsreceiver.NewFactory(), Settings: o.Config.Metrics.settings(), Logger: o.Logger,
		Metrics: func(ctx context.Context, md pmetric.Metrics) error {
			n := md.DataPointCount()
			describe(md, host)
			if _, err := o.OTLP.Metrics(ctx, o.Config.Tenant, source, md); err != nil {
				o.Counts.Drop(source, "metrics", n) // the next round is newer
				return fmt.Errorf("cannot store this machine's metrics: %w", err)
			}
			return nil
		},
	})
}

// describe says whose the metrics are. What the receiver tells of a process as
// its resource would be lost on the way to series, so it moves to the points.
func describe(md pmetric.Metrics, host string) {
	for i := range md.ResourceMetrics().Len() {
		rm := md.ResourceMetrics().At(i)
		a := rm.Resource().Attributes()
		process := pcommon.NewMap()
		for _, k := range []string{"process.pid", "process.executable.name"} {
			if v, ok := a.Get(k); ok {
				v.CopyTo(process.PutEmpty(k))
			}
		}
		if process.Len() > 0 {
			eachPoint(rm, func(attrs pcommon.Map) {
				process.Range(func(k string, v pcommon.Value) bool { v.CopyTo(attrs.PutEmpty(k)); return true })
			})
			a.Clear()
		}
		a.PutStr("host.name", host)
		a.PutStr("os.type", runtime.GOOS)
	}
}

func eachPoint(rm pmetric.ResourceMetrics, f func(pcommon.Map)) {
	for i := range rm.ScopeMetrics().Len() {
		ms := rm.ScopeMetrics().At(i).Metrics()
		for j := range ms.Len() {
			var points pmetric.NumberDataPointSlice
			switch m := ms.At(j); m.Type() {
			case pmetric.MetricTypeGauge:
				points = m.Gauge().DataPoints()
			case pmetric.MetricTypeSum:
				points = m.Sum().DataPoints()
			default:
				continue
			}
			for k := range points.Len() {
				f(points.At(k).Attributes())
			}
		}
	}
}

// nodeMetrics gathers node_exporter's collectors. Their flags are kingpin's
// and global, so that there is one set of them in a process.
func nodeMetrics(o Options, host string) (Runner, error) {
	flags := o.Config.Metrics.NodeExporterFlags
	if root := o.Config.Metrics.RootPath; root != "" {
		flags = append([]string{"--path.procfs=" + root + "/proc", "--path.sysfs=" + root + "/sys", "--path.rootfs=" + root}, flags...)
	}
	kingpin.CommandLine.Terminate(nil) // an error, not an exit
	if _, err := kingpin.CommandLine.Parse(flags); err != nil {
		return nil, fmt.Errorf("host.metrics.node_exporter_flags %q: %w", flags, err)
	}
	c, err := nodeexporter.NewNodeCollector(o.Logger)
	if err != nil {
		return nil, fmt.Errorf("cannot create node_exporter's collectors: %w", err)
	}
	reg := prometheus.NewRegistry()
	if err := reg.Register(c); err != nil {
		return nil, fmt.Errorf("cannot register node_exporter's collectors: %w", err)
	}
	return &gather.Scraper{
		Gatherer: reg, Target: labels.FromStrings("job", "node", "instance", host), Interval: o.Config.Metrics.Interval,
		Tenant: o.Config.Tenant, Sink: o.Sinks.Metrics, Counts: o.Counts, Logger: o.Logger,
	}, nil
}
