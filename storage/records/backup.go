package records

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Backup writes all records to the new file path while they are in use:
// SQLite writes a database file, PostgreSQL JSON lines. Both can be restored
// into either. The file has its name only when it is whole and durable.
func (db *DB) Backup(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("cannot back up records to %s: %w: the file exists", path, ErrConflict)
	}
	part := path + ".part"
	if err := os.RemoveAll(part); err != nil {
		return fmt.Errorf("cannot back up records: %w", err)
	}
	err := db.dialect.backup(ctx, part)
	if err == nil {
		err = publish(part, path)
	}
	if err != nil {
		os.Remove(part)
		return fmt.Errorf("cannot back up records to %s: %w", path, err)
	}
	return nil
}

// publish makes the file part durable under its name path.
func publish(part, path string) error {
	f, err := os.Open(part)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// backupLines writes JSON lines from one snapshot.
func (db *DB) backupLines(ctx context.Context, path string) error {
	tx, err := db.write.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return classify(err)
	}
	defer tx.Rollback()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	return errors.Join(writeDump(ctx, tx, json.NewEncoder(w)), w.Flush(), f.Close())
}

func writeDump(ctx context.Context, q queryer, w *json.Encoder) error {
	revision, err := reader{q}.Revision(ctx)
	if err != nil {
		return err
	}
	header := dumpHeader{Watchfire: dumpFormat, Schema: schemaVersion, Revision: revision, Written: time.Now().UTC()}
	if err := w.Encode(header); err != nil {
		return err
	}
	footer := dumpFooter{End: true}
	err = dump(ctx, q, func(l line) error {
		footer.Lines++
		return w.Encode(l)
	})
	if err != nil {
		return err
	}
	return w.Encode(footer)
}
