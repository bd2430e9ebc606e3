package traces

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

func TestMain(m *testing.M) { enginetest.Main(m, Migrations()...) }

// startWriter runs a writer until the test ends.
func startWriter(t testing.TB, cfg Config, o WriterOptions) *Writer {
	t.Helper()
	w := NewWriter(cfg, enginetest.Client(t), o)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

// write stores spans of which none may be refused.
func write(t testing.TB, tenant string, spans ...telemetry.Span) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Limits = Limits{}
	out, err := startWriter(t, cfg, WriterOptions{}).WriteSpans(t.Context(), tenant, spans)
	if err != nil {
		t.Fatal(err)
	}
	if out.Accepted != len(spans) {
		t.Fatalf("accepted %d of %d spans: %s", out.Accepted, len(spans), out.Message())
	}
}

func reader(t testing.TB) *Reader {
	return NewReader(DefaultConfig().Query, enginetest.Client(t), func() time.Time { return time.Unix(1_700_000_100, 0) })
}

// golden compares text with a file of testdata; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; after checking it, run with UPDATE_GOLDEN=1. Got:\n%s", path, got)
	}
}

func TestTablesGolden(t *testing.T) {
	golden(t, "ddl_single.sql", storage.RenderMigrations(storage.Flavour{}, Migrations()))
	golden(t, "ddl_cluster.sql", storage.RenderMigrations(storage.Flavour{Cluster: "main"}, Migrations()))
}
