package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// line is one record of a dump; one of the pointers is set. Values are JSON in
// a string, which keeps every byte.
type line struct {
	Document *dumpedDocument `json:"document,omitempty"`
	Entry    *dumpedEntry    `json:"entry,omitempty"`
	Lease    *dumpedLease    `json:"lease,omitempty"`
}

type dumpedDocument struct {
	Tenant  string `json:"tenant"`
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Version int64  `json:"version"`
	Updated int64  `json:"updated_ms"`
	Value   string `json:"value"`
}

type dumpedEntry struct {
	Tenant   string `json:"tenant"`
	Stream   string `json:"stream"`
	Sequence int64  `json:"sequence"`
	Added    int64  `json:"added_ms"`
	Value    string `json:"value"`
}

type dumpedLease struct {
	Name   string `json:"name"`
	Holder string `json:"holder"`
	Token  int64  `json:"token"`
}

// dump calls each with every record.
func dump(ctx context.Context, q queryer, each func(line) error) error {
	for _, part := range []struct {
		sql  string
		scan func(*sql.Rows) (line, error)
	}{
		{"SELECT tenant, kind, id, version, updated, value FROM records_documents ORDER BY tenant, kind, id", func(rows *sql.Rows) (line, error) {
			d := new(dumpedDocument)
			return line{Document: d}, rows.Scan(&d.Tenant, &d.Kind, &d.ID, &d.Version, &d.Updated, &d.Value)
		}},
		{"SELECT tenant, stream, sequence, added, value FROM records_entries ORDER BY tenant, stream, sequence", func(rows *sql.Rows) (line, error) {
			e := new(dumpedEntry)
			return line{Entry: e}, rows.Scan(&e.Tenant, &e.Stream, &e.Sequence, &e.Added, &e.Value)
		}},
		{"SELECT name, holder, token FROM records_leases ORDER BY name", func(rows *sql.Rows) (line, error) {
			l := new(dumpedLease)
			return line{Lease: l}, rows.Scan(&l.Name, &l.Holder, &l.Token)
		}},
	} {
		scan := func(rows *sql.Rows) (struct{}, error) {
			l, err := part.scan(rows)
			if err == nil {
				err = each(l)
			}
			return struct{}{}, err
		}
		if _, err := collect(ctx, q, scan, part.sql); err != nil {
			return err
		}
	}
	return nil
}

// restoreGap is what tokens and the revision skip at a restore: more were
// given out after the backup, and none may be given twice.
const restoreGap = 1 << 32

func (l line) load(ctx context.Context, q queryer) error {
	var err error
	switch {
	case l.Document != nil:
		d := l.Document
		if err := checkLoaded(d.Value, d.Tenant, d.Kind, d.ID); err != nil {
			return err
		}
		_, err = q.ExecContext(ctx, "INSERT INTO records_documents (tenant, kind, id, version, updated, value) VALUES ($1, $2, $3, $4, $5, $6)",
			d.Tenant, d.Kind, d.ID, d.Version, d.Updated, d.Value)
	case l.Entry != nil:
		e := l.Entry
		if err := checkLoaded(e.Value, e.Tenant, e.Stream); err != nil {
			return err
		}
		_, err = q.ExecContext(ctx, "INSERT INTO records_entries (tenant, stream, sequence, added, value) VALUES ($1, $2, $3, $4, $5)",
			e.Tenant, e.Stream, e.Sequence, e.Added, e.Value)
	case l.Lease != nil:
		_, err = q.ExecContext(ctx, "INSERT INTO records_leases (name, holder, token, expires) VALUES ($1, $2, $3, 0)",
			l.Lease.Name, l.Lease.Holder, l.Lease.Token+restoreGap)
	default:
		err = fmt.Errorf("%w: a line that is no record", ErrInvalid)
	}
	return classify(err)
}

func checkLoaded(value string, names ...string) error {
	if err := checkNames(names...); err != nil {
		return err
	}
	_, err := encode(json.RawMessage(value))
	return err
}

// first and last line of a dump.
type dumpHeader struct {
	Watchfire string    `json:"watchfire"` // dumpFormat
	Schema    int       `json:"schema"`
	Revision  int64     `json:"revision"`
	Written   time.Time `json:"written"`
}

type dumpFooter struct {
	End   bool  `json:"end"`
	Lines int64 `json:"lines"`
}

const dumpFormat = "records"
