package records

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// migrations are applied in order, each once; never change one that was
// released. {text} is text that compares by bytes.
var migrations = []string{
	`
CREATE TABLE records_documents (
    tenant  {text}  NOT NULL,
    kind    {text}  NOT NULL,
    id      {text}  NOT NULL,
    version BIGINT  NOT NULL,
    updated BIGINT  NOT NULL,
    value   TEXT    NOT NULL,
    PRIMARY KEY (tenant, kind, id)
);
CREATE INDEX records_documents_kind ON records_documents (kind, tenant);
CREATE TABLE records_entries (
    tenant   {text}  NOT NULL,
    stream   {text}  NOT NULL,
    sequence BIGINT  NOT NULL,
    added    BIGINT  NOT NULL,
    value    TEXT    NOT NULL,
    PRIMARY KEY (tenant, stream, sequence)
);
CREATE TABLE records_leases (
    name    {text}  NOT NULL PRIMARY KEY,
    holder  TEXT    NOT NULL,
    token   BIGINT  NOT NULL,
    expires BIGINT  NOT NULL
);
CREATE TABLE records_revision (
    revision BIGINT NOT NULL
);
INSERT INTO records_revision VALUES (0)`,
}

// schemaVersion is the schema that this program knows.
var schemaVersion = len(migrations)

// migrate is one transaction, so that replicas which start together don't
// meet: SQLite has one writer, PostgreSQL an advisory lock.
func (db *DB) migrate(ctx context.Context) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return classify(err)
	}
	defer tx.Rollback()
	if db.dialect.name == "PostgreSQL" {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7234019847)"); err != nil {
			return classify(err)
		}
	}
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS records_schema (version BIGINT NOT NULL PRIMARY KEY, applied BIGINT NOT NULL)"); err != nil {
		return classify(err)
	}
	have, err := schemaOf(ctx, tx)
	if err != nil {
		return err
	}
	if have > schemaVersion {
		return fmt.Errorf("its schema has version %d, this program knows %d: a newer version has used it, run that one", have, schemaVersion)
	}
	for version := have + 1; version <= schemaVersion; version++ {
		if err := db.apply(ctx, tx, version); err != nil {
			return fmt.Errorf("cannot apply schema version %d: %w", version, classify(err))
		}
		db.log.Info("records schema brought up to date", "version", version)
	}
	return classify(tx.Commit())
}

func (db *DB) apply(ctx context.Context, tx *sql.Tx, version int) error {
	text := strings.ReplaceAll(migrations[version-1], "{text}", "TEXT"+db.dialect.collate)
	for statement := range strings.SplitSeq(text, ";") {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO records_schema (version, applied) VALUES ($1, "+db.dialect.now+")", version)
	return err
}

func schemaOf(ctx context.Context, q queryer) (version int, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM records_schema").Scan(&version)
	return version, classify(err)
}
