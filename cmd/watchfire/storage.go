package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchfire/watchfire/events"
	"github.com/watchfire/watchfire/logs"
	"github.com/watchfire/watchfire/metrics"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine"
	"github.com/watchfire/watchfire/traces"
)

// database is an open ClickHouse with its schema up to date.
type database struct {
	client *storage.Client
	engine *engine.Engine // nil for an outside ClickHouse
}

// migrations of every room, in the order in which they run.
func migrations() []storage.Migration {
	var all []storage.Migration
	for _, room := range [][]storage.Migration{metrics.Migrations(), logs.Migrations(), traces.Migrations(), events.Migrations()} {
		all = append(all, room...)
	}
	return all
}

func (c config) flavour() storage.Flavour { return storage.Flavour{Cluster: c.Storage.Cluster} }

// openDatabase starts the embedded engine, or connects to the ClickHouse that
// the configuration names. It does not migrate.
func openDatabase(ctx context.Context, c config, reg prometheus.Registerer, log *slog.Logger) (*database, error) {
	db := &database{}
	dsn := c.Storage.DSN
	if dsn == "" {
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the data folder (option data): %w", err)
		}
		ec := c.Storage.Engine
		ec.Logger, ec.Registerer = log.With("room", "engine"), reg
		begun := time.Now()
		var err error
		if db.engine, err = engine.Start(ctx, ec); err != nil {
			return nil, fmt.Errorf("cannot start the embedded ClickHouse: %w", err)
		}
		log.Info("Started the embedded ClickHouse", "data", ec.Data, "took", time.Since(begun).Round(time.Millisecond))
		dsn = db.engine.DSN()
	}
	var err error
	db.client, err = storage.Open(ctx, storage.Options{DSN: dsn, Logger: log.With("room", "storage"), Registerer: reg})
	if err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

// migrate brings schema and retention up to date.
func (db *database) migrate(ctx context.Context, c config, log *slog.Logger) error {
	begun := time.Now()
	if err := storage.Migrate(ctx, db.client, c.flavour(), migrations()); err != nil {
		return err
	}
	if took := time.Since(begun); took > time.Second {
		log.Info("Migrated the schema", "took", took.Round(time.Millisecond))
	}
	for _, r := range c.retentions() {
		for _, t := range r.tables {
			plan, err := storage.ApplyRetention(ctx, db.client, c.flavour(), t, r.retention)
			if err != nil {
				return fmt.Errorf("cannot set the retention of %s (option storage.retention): %w", t.Name, err)
			}
			if len(plan.Statements) > 0 && plan.Was != "" {
				log.Warn("Changed the retention", "table", plan.Table, "was", plan.Was, "is", plan.Will, "expired_rows", plan.Rows)
			}
		}
	}
	return nil
}

type signalRetention struct {
	retention storage.Retention
	tables    []storage.Table
}

func (c config) retentions() []signalRetention {
	r := c.Storage.Retention
	return []signalRetention{
		{r.Metrics, metrics.Tables()}, {r.Logs, logs.Tables()}, {r.Traces, traces.Tables()}, {r.Events, events.Tables()},
	}
}

// close ends what openDatabase began.
func (db *database) close() {
	if db.client != nil {
		db.client.Close()
	}
	if db.engine != nil {
		ctx, cancel := context.WithTimeout(context.Background(), defaultGrace)
		defer cancel()
		_ = db.engine.Stop(ctx) // it is killed when it does not end
	}
}
