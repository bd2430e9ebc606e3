// Package enginetest gives a package's tests a real ClickHouse: one embedded
// engine, started when the first test asks for it.
package enginetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine"
)

// shared is the package's one engine.
var shared struct {
	once       sync.Once
	migrations []storage.Migration
	dir        string
	engine     *engine.Engine
	client     *storage.Client
	err        error
}

// Main runs a package's tests; TestMain calls it and nothing else. It makes
// this test binary able to be the engine, runs the migrations before the first
// Client is handed out, stops the engine, and exits.
func Main(m *testing.M, migrations ...storage.Migration) {
	os.Exit(Run(m, migrations...))
}

// Run is Main without the exit, for a TestMain that checks more afterwards; it
// returns the exit code.
func Run(m *testing.M, migrations ...storage.Migration) int {
	engine.MaybeChild()
	shared.migrations = migrations
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot stop the test engine:", err)
		return 1
	}
	return code
}

// Config runs an engine in dir with this test binary as the child.
func Config(dir string) engine.Config {
	c := engine.DefaultConfig()
	c.Data = dir
	c.Command = []string{os.Args[0]}
	c.MemoryBytes = 2 << 30
	c.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return c
}

// Client returns the client of the package's engine. Without libchdb the test
// fails with the command that installs it.
func Client(t testing.TB) *storage.Client {
	t.Helper()
	shared.once.Do(func() { shared.err = start() })
	if shared.err != nil {
		t.Fatalf("cannot start the test engine: %v", shared.err)
	}
	return shared.client
}

// DSN is the DSN of the package's engine.
func DSN(t testing.TB) string {
	t.Helper()
	Client(t)
	return shared.engine.DSN()
}

var tenants atomic.Int64

// Tenant returns a name that no other call in this package returns.
func Tenant(testing.TB) string {
	return fmt.Sprintf("tenant-%d", tenants.Add(1))
}

func start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var err error
	if shared.dir, err = os.MkdirTemp("", "watchfire-enginetest-"); err != nil {
		return err
	}
	if shared.engine, err = engine.Start(ctx, Config(shared.dir)); err != nil {
		return err
	}
	if shared.client, err = storage.Open(ctx, storage.Options{DSN: shared.engine.DSN()}); err != nil {
		return err
	}
	return storage.Migrate(ctx, shared.client, storage.Flavour{}, shared.migrations)
}

func stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if shared.client != nil {
		shared.client.Close()
	}
	var err error
	if shared.engine != nil {
		err = shared.engine.Stop(ctx)
	}
	if shared.dir != "" {
		if e := os.RemoveAll(shared.dir); err == nil {
			err = e
		}
	}
	return err
}
