package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/watchfire/watchfire/alerting"
	"github.com/watchfire/watchfire/collector/self"
	"github.com/watchfire/watchfire/collector/sources"
	"github.com/watchfire/watchfire/logs"
	"github.com/watchfire/watchfire/metrics"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage/batch"
	"github.com/watchfire/watchfire/storage/records"
)

func newServeCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the operations center",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(f, os.LookupEnv)
			if err != nil {
				return err
			}
			own := self.NewLogs(newLogger(c.Log).Handler(), c.Collector.Self.LogLevel)
			a := &app{config: c, flags: f, log: slog.New(own), ownLogs: own}
			return a.serve(cmd.Context())
		},
	}
	f.register(cmd)
	return cmd
}

// register adds the flags that commands with a configuration share.
func (f *flags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.config, "config", "", "configuration file (YAML), WATCHFIRE_CONFIG")
	cmd.Flags().StringVar(&f.data, "data", "", `data folder (default "data"), WATCHFIRE_DATA`)
	cmd.Flags().StringVar(&f.listen, "listen", "", `address of the APIs and the page (default "127.0.0.1:8930"), WATCHFIRE_SERVER_HTTP_LISTEN`)
	cmd.Flags().StringVar(&f.otlpGRPC, "otlp-grpc", "", `address of OTLP over gRPC (default "127.0.0.1:4317"), WATCHFIRE_SERVER_OTLP_GRPC_LISTEN`)
	cmd.Flags().StringVar(&f.otlpHTTP, "otlp-http", "", `address of OTLP over HTTP (default "127.0.0.1:4318"), WATCHFIRE_SERVER_OTLP_HTTP_LISTEN`)
}

// app is one run of `serve`: what the rooms share, and the parts that run.
type app struct {
	config config
	flags  flags
	log    *slog.Logger

	registry *prometheus.Registry
	parts    parts
	db       *database
	records  *records.DB
	gate     *server.Gate
	limiter  *server.Limiter
	memory   *server.BodyMemory
	mux      *server.Mux
	server   *server.Server
	promql   *metrics.Engine
	logql    *logs.Engine
	alerting *alerting.Service
	sources  *sources.Sources
	ownLogs  *self.Logs
	reloads  []func(config) error
	ready    readiness
}

// serve runs until ctx ends or a part fails.
func (a *app) serve(ctx context.Context) (err error) {
	a.registry = prometheus.NewRegistry()
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.parts.log = a.log

	if a.db, err = openDatabase(ctx, a.config, a.registry, a.log); err != nil {
		return err
	}
	defer a.db.close()
	if a.records, err = records.Open(ctx, a.config.Storage.Records, a.log.With("room", "records")); err != nil {
		return err
	}
	defer a.records.Close()
	if err := a.db.migrate(ctx, a.config, a.log); err != nil {
		return err
	}
	spool, err := batch.NewSpool(a.config.Storage.Spool, a.db.client, a.registry, a.log.With("room", "spool"))
	if err != nil {
		return err
	}
	defer spool.Close()
	if a.db.engine != nil {
		a.parts.add("engine", a.db.engine.Run)
	}
	a.parts.add("spool", spool.Run)

	if err := a.access(); err != nil {
		return err
	}
	receiver, err := a.signals(ctx, spool)
	if err != nil {
		return err
	}
	defer a.sources.Close()
	if a.server, err = server.New(a.config.Server, server.Options{
		HTTP: a.sources.Traces.Middleware(a.mux), GRPC: []server.GRPCService{{Access: server.Ingest, Register: receiver.RegisterGRPC}},
		Gate: a.gate, Memory: a.memory, Logger: a.log.With("room", "server"), Registerer: a.registry,
	}); err != nil {
		return err
	}
	if err := a.server.Listen(ctx); err != nil {
		return err
	}
	a.parts.add("server", a.server.Run)
	a.parts.add("reload", a.reloadOnHangup)
	a.parts.start()
	a.ready.set(nil)
	a.log.Info("Watchfire is ready", "url", "http://"+a.server.Addr("http")+"/", "otlp_grpc", a.server.Addr("otlp_grpc"), "otlp_http", a.server.Addr("otlp_http"), "version", version)

	err = a.parts.wait(ctx)
	a.ready.set(errors.New("stopping"))
	begun := time.Now()
	a.parts.stop()
	a.log.Info("Watchfire has stopped", "took", time.Since(begun).Round(time.Millisecond))
	return err
}

// access makes what every request passes: who callers are, their limits, the
// routes.
func (a *app) access() (err error) {
	sc := a.config.Server
	log := a.log.With("room", "server")
	tokens := recordsTokens{a.records}
	if a.gate, err = server.NewGate(sc.Access, tokens, log, a.registry); err != nil {
		return err
	}
	a.limiter = server.NewLimiter(sc.Limits, a.registry, log)
	a.memory = server.NewBodyMemory(sc.MaxInflightBytes, a.registry)
	a.mux = server.NewMux(server.MuxOptions{
		Gate: a.gate, Logger: log, Registerer: a.registry,
		MaxBody: sc.MaxBodyBytes, Unpacked: sc.MaxUnpackedBytes, Memory: a.memory, Slow: sc.SlowRequest,
	})
	a.reloads = append(a.reloads,
		func(c config) error { return a.gate.Update(c.Server.Access) },
		func(c config) error { a.limiter.Update(c.Server.Limits); return nil },
		func(config) error { return a.server.Reload() },
		func(c config) error { return a.sources.Scrape.Apply(c.Collector.Scrape) })
	return nil
}

// reloadOnHangup reloads what can be reloaded at every SIGHUP, until ctx ends.
func (a *app) reloadOnHangup(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			if err := a.reload(); err != nil {
				a.log.Error("Cannot reload, going on as before", "error", err)
				continue
			}
			a.log.Info("Reloaded access, limits, certificates, scraping and rules")
		}
	}
}

func (a *app) reload() error {
	c, err := loadConfig(a.flags, os.LookupEnv)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range a.reloads {
		errs = append(errs, r(c))
	}
	return errors.Join(errs...)
}
