// Package sources puts together what Watchfire fetches or listens for besides
// the protocols of its own listeners: this machine, files, syslog, Jaeger and
// Zipkin, scraping, and itself.
package sources
