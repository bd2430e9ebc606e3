// Package engine runs a real ClickHouse inside Watchfire: a child process of
// our own binary loads the libchdb library, whose clickhouse-local opens an
// HTTP listener on loopback. The parent supervises the child, restarts it, and
// hands out the DSN that storage.Open connects to, so that everything above
// speaks to the embedded engine exactly as to a ClickHouse cluster.
package engine
