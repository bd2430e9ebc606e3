// Package records keeps small mutable state: rules, silences, incidents, runs,
// approvals, users, dashboards. It lives in SQLite by default, and in
// PostgreSQL when several replicas share it; both behave the same.
//
// There are documents (JSON by tenant, kind and id, with a version for
// compare-and-swap), streams (append-only JSON entries, numbered without
// gaps), and leases with fencing tokens, which elect who may act.
//
// All writes are serialized, so a transaction sees every write before it and
// never has to be repeated. That bounds writing to some hundreds of
// transactions a second; telemetry belongs into ClickHouse.
package records
