// Package promapi serves Prometheus' HTTP API over the metrics room, by
// Prometheus' own web/api/v1. It is a package of its own because that links
// much that only the HTTP API needs: scraping, rules and remote read.
package promapi
