package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres connects lazily, like database/sql.
func (db *DB) openPostgres(dsn string) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		// pgx leaves out the password.
		return fmt.Errorf("cannot parse the DSN of the records: %w", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	// A replica that hangs in a write must not hold up the others for ever.
	for name, value := range map[string]string{
		"application_name":                    "watchfire",
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "60s",
	} {
		if _, set := cfg.RuntimeParams[name]; !set {
			cfg.RuntimeParams[name] = value
		}
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(16)
	pool.SetMaxIdleConns(4)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	db.write, db.q = pool, pool
	db.dialect = dialect{
		name:    "PostgreSQL",
		now:     "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
		lock:    " FOR UPDATE",
		collate: ` COLLATE "C"`,
		backup:  db.backupLines,
	}
	if err := db.checkEncoding(); err != nil {
		return errors.Join(err, pool.Close())
	}
	return nil
}

// checkEncoding refuses a database that can't hold every text.
func (db *DB) checkEncoding() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var encoding string
	if err := db.q.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return fmt.Errorf("cannot reach the PostgreSQL database of the records: %w", classify(err))
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the PostgreSQL database of the records has encoding %s, create it with ENCODING 'UTF8'", encoding)
	}
	return nil
}
