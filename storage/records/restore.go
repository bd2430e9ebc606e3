package records

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Restore loads what Backup of either database wrote, all or nothing, into a
// database that holds no records yet; else the error is ErrConflict. Document
// versions stay; later versions and fencing tokens are greater than any that
// was given out, also after the backup.
func (db *DB) Restore(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot restore records: %w", err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	magic, _ := r.Peek(16)
	restore := func(tx *Tx) error { return restoreLines(ctx, tx, r) }
	if bytes.Equal(magic, []byte("SQLite format 3\x00")) {
		restore = func(tx *Tx) error { return db.restoreSQLite(ctx, tx, r) }
	}
	err = db.Update(ctx, func(tx *Tx) error {
		if err := tx.checkEmpty(ctx); err != nil {
			return err
		}
		return restore(tx)
	})
	if err != nil {
		return fmt.Errorf("cannot restore records from %s: %w", path, err)
	}
	return nil
}

func (tx *Tx) checkEmpty(ctx context.Context) error {
	var n int64
	err := tx.q.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM records_documents) + (SELECT count(*) FROM records_entries) + (SELECT count(*) FROM records_leases)").Scan(&n)
	if err != nil {
		return classify(err)
	}
	if n > 0 {
		return fmt.Errorf("%w: the database holds %d records already, restore into a new one", ErrConflict, n)
	}
	return nil
}

// restoreSQLite works on a copy, which may be brought to the current schema
// and into which SQLite may write its files.
func (db *DB) restoreSQLite(ctx context.Context, tx *Tx, backup io.Reader) error {
	dir, err := os.MkdirTemp("", "watchfire-restore-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "records.db")
	if err := copyTo(path, backup); err != nil {
		return err
	}
	from, err := Open(ctx, "sqlite:"+path, db.log)
	if err != nil {
		return err
	}
	defer from.Close()
	var verdict string
	if err := from.q.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil || verdict != "ok" {
		return errors.Join(fmt.Errorf("%w: the backup is damaged: %s", ErrInvalid, verdict), err)
	}
	revision, err := from.Revision(ctx)
	if err != nil {
		return err
	}
	tx.revision = revision + restoreGap
	return dump(ctx, from.q, func(l line) error { return l.load(ctx, tx.q) })
}

func copyTo(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func restoreLines(ctx context.Context, tx *Tx, r io.Reader) error {
	d := json.NewDecoder(r)
	var header dumpHeader
	if err := d.Decode(&header); err != nil || header.Watchfire != dumpFormat {
		return fmt.Errorf("%w: the file is no backup of records", ErrInvalid)
	}
	if header.Schema > schemaVersion {
		return fmt.Errorf("%w: the backup has schema version %d, this program knows %d: a newer version wrote it", ErrInvalid, header.Schema, schemaVersion)
	}
	tx.revision = header.Revision + restoreGap
	for n := int64(0); ; n++ {
		var l struct {
			line
			dumpFooter
		}
		if err := d.Decode(&l); err != nil {
			return fmt.Errorf("%w: the backup is cut short or damaged after %d records: %w", ErrInvalid, n, err)
		}
		if l.End {
			if l.Lines != n {
				return fmt.Errorf("%w: the backup has %d records, its end says %d", ErrInvalid, n, l.Lines)
			}
			return nil
		}
		if err := l.load(ctx, tx.q); err != nil {
			return fmt.Errorf("record %d: %w", n+1, err)
		}
	}
}
