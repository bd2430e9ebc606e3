// Package collector is what comes in: protocols, scraping, this machine's own
// telemetry, all turned into the records of package telemetry and given to a
// signal's writer. This package holds what its parts share: the sinks they
// write to, the limits on one record, and the way from an error to a sender's
// answer. Each protocol is a folder; collector/intake puts them together.
package collector
