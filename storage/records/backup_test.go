package records_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage/records"
	"github.com/watchfire/watchfire/storage/records/recordstest"
)

const odd = `{"b" : "<&> 火 \u0000", "a": 1.0}`

func fill(t *testing.T, db *records.DB) (document records.Document, entry records.Entry, lease records.Lease) {
	t.Helper()
	ctx := t.Context()
	_, err1 := db.Put(ctx, key("a"), json.RawMessage(odd), records.Absent)
	_, err2 := db.Append(ctx, "default", "audit", json.RawMessage(odd))
	lease, err3 := db.Acquire(ctx, "evaluate", "a", time.Hour)
	document, err4 := db.Get(ctx, key("a"))
	entry, err5 := db.Last(ctx, "default", "audit")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	return document, entry, lease
}

// Each database's backup is restored into each database.
func TestBackupAndRestore(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, from string) {
		db, ctx := recordstest.Open(t, from), t.Context()
		document, entry, lease := fill(t, db)
		path := filepath.Join(t.TempDir(), "backup's")
		if err := db.Backup(ctx, path); err != nil {
			t.Fatal(err)
		}
		if err := db.Backup(ctx, path); !errors.Is(err, records.ErrConflict) {
			t.Errorf("second backup to the same file: %v", err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of the backup: %v, %v", info.Mode(), err)
		}
		later, err := db.Put(ctx, key("later"), 1, records.Absent)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Restore(ctx, path); !errors.Is(err, records.ErrConflict) {
			t.Errorf("restore into a database in use: %v", err)
		}
		recordstest.Each(t, func(t *testing.T, to string) {
			db, ctx := recordstest.Open(t, to), t.Context()
			if err := db.Restore(ctx, path); err != nil {
				t.Fatal(err)
			}
			d, err := db.Get(ctx, key("a"))
			if err != nil || string(d.Value) != odd || d.Version != document.Version || !d.Updated.Equal(document.Updated) {
				t.Errorf("document %+v, %v", d, err)
			}
			e, err := db.Last(ctx, "default", "audit")
			if err != nil || e.Sequence != 1 || string(e.Value) != odd || !e.Added.Equal(entry.Added) {
				t.Errorf("entry %+v, %v", e, err)
			}
			if _, err := db.Get(ctx, key("later")); !errors.Is(err, records.ErrNotFound) {
				t.Errorf("a document from after the backup: %v", err)
			}
			if v, err := db.Put(ctx, key("new"), 1, records.Absent); err != nil || v <= later {
				t.Errorf("version %d is given again, %v", v, err)
			}
			if _, err := db.Renew(ctx, lease, time.Minute); !errors.Is(err, records.ErrLost) {
				t.Errorf("the lease outlives the restore: %v", err)
			}
			if l, err := db.Acquire(ctx, "evaluate", "b", time.Minute); err != nil || l.Token <= lease.Token+1000 {
				t.Errorf("lease %+v, %v", l, err)
			}
		})
	})
}

func TestRestoreRefuses(t *testing.T) {
	db, ctx := recordstest.Open(t, recordstest.Postgres(t)), t.Context()
	fill(t, db)
	path := filepath.Join(t.TempDir(), "backup")
	if err := db.Backup(ctx, path); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, test := range map[string]struct{ content, message string }{
		"empty":       {"", "no backup of records"},
		"other":       {"{}\n", "no backup of records"},
		"newer":       {strings.Replace(string(whole), `"schema":1`, `"schema":99`, 1), "a newer version wrote it"},
		"cut short":   {string(whole[:len(whole)-len(lines[len(lines)-2])]), "cut short or damaged after 3 records"},
		"line lost":   {string(bytes.Join(append(lines[:2:2], lines[3:]...), nil)), "has 2 records, its end says 3"},
		"not a value": {strings.Replace(string(whole), `"value":"{`, `"value":"`, 1), "is not JSON"},
		"no record":   {string(lines[0]) + "{}\n", "a line that is no record"},
	} {
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		db := recordstest.Open(t, recordstest.SQLite(t))
		err := db.Restore(ctx, path)
		if !errors.Is(err, records.ErrInvalid) || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: %v", name, err)
		}
		if docs, err := db.List(ctx, records.Query{Tenant: "default", Kind: "rule"}); err != nil || len(docs) > 0 {
			t.Errorf("%s: left %d documents behind, %v", name, len(docs), err)
		}
	}
}
