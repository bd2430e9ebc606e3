// Package storage talks to ClickHouse and knows no signal: the client, tables
// and their DDL, migrations, insert blocks and SQL literals. The embedded
// engine is in storage/engine, group commit and the spool are in
// storage/batch, small mutable state is in storage/records.
package storage
