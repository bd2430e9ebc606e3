package records_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/watchfire/watchfire/storage/records"
	"github.com/watchfire/watchfire/storage/records/recordstest"
)

// rawDB opens the database of dsn without us.
func rawDB(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	driver := "pgx"
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, dsn = "sqlite", "file:"+strings.NewReplacer("#", "%23", "?", "%3f", " ", "%20").Replace(path)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func open(dsn string) (*records.DB, error) {
	return records.Open(context.Background(), dsn, slog.New(slog.DiscardHandler))
}

func TestOpen(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		// Replicas that start together find one schema.
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				db, err := open(dsn)
				if err != nil {
					t.Error(err)
					return
				}
				if err := db.Ping(t.Context()); err != nil {
					t.Error(err)
				}
				db.Close()
			})
		}
		wg.Wait()
		db := recordstest.Open(t, dsn)
		fill(t, db)
		if d, err := recordstest.Open(t, dsn).Get(t.Context(), key("a")); err != nil || string(d.Value) != odd {
			t.Errorf("opened again: %+v, %v", d, err)
		}
		if _, err := rawDB(t, dsn).Exec("INSERT INTO records_schema VALUES (99, 0)"); err != nil {
			t.Fatal(err)
		}
		if _, err := open(dsn); err == nil || !strings.Contains(err.Error(), "version 99, this program knows 1") {
			t.Errorf("a newer schema: %v", err)
		}
	})
}

func TestSQLiteFileIsPrivateAndDurable(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "sub", "records.db")
	db := recordstest.Open(t, dsn)
	if info, err := os.Stat(strings.TrimPrefix(dsn, "sqlite:")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := db.Put(t.Context(), key("a"), 1, records.Any); err != nil {
		t.Fatal(err)
	}
	var mode string
	if err := rawDB(t, dsn).QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal mode %q, %v", mode, err)
	}
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		dsn, message string
		unavailable  bool
	}{
		{"mysql://user:secret@host/", "want sqlite:PATH or postgres://", false},
		{"sqlite:", "needs the path of a file", false},
		{"sqlite::memory:", "needs the path of a file", false},
		{"sqlite:" + file + "/below", "cannot make the records file", true},
		{"sqlite:" + file, "not a database", false},
		{"postgres://user:secret@%zz/", "cannot parse the DSN", false},
		{"postgres://user:secret@/db?host=" + t.TempDir(), "cannot reach the PostgreSQL", true},
		{"postgres://user:secret@127.0.0.1:1/db", "cannot reach the PostgreSQL", true},
	} {
		_, err := open(test.dsn)
		if err == nil || !strings.Contains(err.Error(), test.message) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", test.dsn, err)
		}
		if errors.Is(err, records.ErrUnavailable) != test.unavailable {
			t.Errorf("%s: unavailable is %v: %v", test.dsn, !test.unavailable, err)
		}
	}
}

func TestBusyDatabaseIsUnavailable(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		t.Parallel() // it waits for the lock timeout
		db, ctx := recordstest.Open(t, dsn), t.Context()
		other, err := rawDB(t, dsn).Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Exec("UPDATE records_revision SET revision = revision + 1"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = db.Put(ctx, key("a"), 1, records.Any)
		var status interface{ HTTPStatus() int }
		if !errors.Is(err, records.ErrUnavailable) || !errors.As(err, &status) || status.HTTPStatus() != 503 {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took < 4*time.Second || took > 20*time.Second {
			t.Errorf("took %s, want the lock timeout of 5 s", took)
		}
		if err := other.Rollback(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Put(ctx, key("a"), 1, records.Any); err != nil {
			t.Errorf("after the lock is gone: %v", err)
		}
	})
}

func TestPostgresConnectionsLost(t *testing.T) {
	dsn := recordstest.Postgres(t)
	db, ctx := recordstest.Open(t, dsn), t.Context()
	raw := rawDB(t, dsn)
	err := db.Update(ctx, func(tx *records.Tx) error {
		if _, err := raw.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); err != nil {
			t.Error(err)
		}
		_, err := tx.Put(ctx, key("a"), 1, records.Any)
		return err
	})
	if !errors.Is(err, records.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := db.Put(ctx, key("a"), 1, records.Any); err != nil {
		t.Errorf("not connected again: %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	db := recordstest.Open(b, recordstest.SQLite(b))
	for b.Loop() {
		if _, err := db.Put(b.Context(), key("a"), "value", records.Any); err != nil {
			b.Fatal(err)
		}
	}
}
