// Package host watches the machine that Watchfire runs on: its metrics, by
// OpenTelemetry's host metrics receiver under OpenTelemetry's names or by
// node_exporter's collectors under theirs, and its logs, from the journal or
// from /var/log, whichever can be read.
package host
