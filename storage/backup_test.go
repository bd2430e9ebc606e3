package storage_test

import (
	"context"
	"strings"
	"testing"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

func TestBackupAndRestore(t *testing.T) {
	backups := t.TempDir()
	open := func() (*storage.Client, func()) {
		cfg := enginetest.Config(t.TempDir())
		cfg.Backups = backups
		e, err := engine.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		c, err := storage.Open(t.Context(), storage.Options{DSN: e.DSN()})
		if err != nil {
			t.Fatal(err)
		}
		return c, func() { c.Close(); e.Stop(context.Background()) }
	}
	ms := []storage.Migration{storage.CreateTables("test", 1, "numbers", numbers)}

	c, stop := open()
	ctx := t.Context()
	if err := storage.Migrate(ctx, c, storage.Flavour{}, ms); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"full.tar", "more"} {
		if err := c.Insert(ctx, block(t, "t", name, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := storage.Backup(ctx, c, name, []string{"", "full.tar"}[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := storage.Backup(ctx, c, "full.tar", ""); err == nil {
		t.Error("a backup was written over")
	}
	if err := storage.Backup(ctx, c, "../out", ""); err == nil || !strings.Contains(err.Error(), `"../out"`) {
		t.Errorf("got %v", err)
	}
	stop()

	c, stop = open()
	defer stop()
	if err := storage.Restore(ctx, c, "more"); err != nil {
		t.Fatal(err)
	}
	if n := count(t, c, "t"); n != 2000 {
		t.Errorf("got %d rows, want 2000", n)
	}
	// The restored database is whole: nothing to migrate, and inserts go on.
	if err := storage.Migrate(ctx, c, storage.Flavour{}, ms); err != nil {
		t.Error(err)
	}
	if err := c.Insert(ctx, block(t, "t", "after", 10)); err != nil {
		t.Error(err)
	}
	if err := storage.Restore(ctx, c, "more"); err == nil {
		t.Error("restored over rows")
	}
}
