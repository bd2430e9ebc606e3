// Package gather reads the metrics of Prometheus collectors that live in this
// process, Watchfire's own and node_exporter's, as a scrape would, without a
// socket and without text in between.
package gather
