package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// openSQLite opens one connection that writes and a few that read: with a
// write-ahead log they don't wait for each other, and one writer is never
// refused by another of the same process.
func (db *DB) openSQLite(path string) error {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return fmt.Errorf("cannot open records %q: SQLite needs the path of a file", "sqlite:"+path)
	}
	if err := makeFile(path); err != nil {
		return fmt.Errorf("cannot make the records file: %w: %w", ErrUnavailable, err)
	}
	write, err := sql.Open("sqlite", sqliteDSN(path, "_txlock=immediate"))
	if err != nil {
		return fmt.Errorf("cannot open records %s: %w", path, classify(err))
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", sqliteDSN(path, "_query_only=1"))
	if err != nil {
		return errors.Join(fmt.Errorf("cannot open records %s: %w", path, classify(err)), write.Close())
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(4)
	db.write, db.q = write, read
	db.dialect = dialect{
		name:   "SQLite",
		now:    "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
		backup: func(ctx context.Context, to string) error { return backupSQLite(ctx, path, to) },
	}
	return nil
}

// sqliteDSN has the durability that an acknowledged write needs: FULL syncs
// the log at each commit.
func sqliteDSN(path, more string) string {
	name := (&url.URL{Path: path}).EscapedPath()
	return "file:" + name + "?_busy_timeout=5000&_journal_mode=WAL&_synchronous=FULL&" + more
}

// makeFile makes an empty file that only its owner can read: it will hold
// hashes of tokens.
func makeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// backupSQLite writes a consistent copy while others read and write.
func backupSQLite(ctx context.Context, path, to string) error {
	conn, err := sql.Open("sqlite", sqliteDSN(path, ""))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "VACUUM INTO $1", to)
	return classify(err)
}
