// Package recordstest gives tests fresh databases of records, on SQLite and on
// a real PostgreSQL that it starts from the system's binaries.
package recordstest

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/watchfire/watchfire/storage/records"
)

// SQLite returns the DSN of a database that doesn't exist yet.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "records #1?.db")
}

// Open opens the database of dsn until the test ends.
func Open(t testing.TB, dsn string) *records.DB {
	t.Helper()
	db, err := records.Open(context.Background(), dsn, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Each runs test on both databases; TestMain must call Main.
func Each(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// Main runs a package's tests and stops the PostgreSQL that they started. It
// returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if err := server.stop(); err != nil {
		fmt.Println("cannot stop the test's PostgreSQL:", err)
		return 1
	}
	return code
}
